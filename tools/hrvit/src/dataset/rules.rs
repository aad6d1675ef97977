//! From what label files hold to the classes of a network.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::labels::{self, LabelMap, NO_LABEL, Picture};
use crate::palette::Classes;

/// Rule for the class of a label pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LabelsBy {
    /// The value of grey and palette PNGs, the colour of others
    #[default]
    Auto,
    /// The value; files in colour are refused
    Index,
    /// The colour, also of palette PNGs
    Colour,
}

/// How the label files of a data set are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    by: LabelsBy,
    /// Value that a colour stands for.
    colours: BTreeMap<[u8; 3], u8>,
    /// Class that a colour stands for, whatever the table says; none where it is no class.
    direct: BTreeMap<[u8; 3], Option<u8>>,
    /// Class of a value; none where it is no class.
    table: [Option<u8>; 256],
}

impl Default for Rules {
    fn default() -> Self {
        Self { by: LabelsBy::Index, colours: BTreeMap::new(), direct: BTreeMap::new(), table: std::array::from_fn(|value| Some(value as u8)) }
    }
}

/// Content of one label file.
pub struct Truth {
    /// Classes.
    pub labels: LabelMap,
    /// Content of the file: values, or colours as `#rrggbb`, and in how many pixels; the most
    /// frequent first.
    pub found: Vec<(String, u64)>,
}

impl Rules {
    /// Reads values, and colours as the classes have them.
    pub fn new(by: LabelsBy, classes: &Classes) -> Self {
        let colours = (0..=u8::MAX).zip(classes.colours()).map(|(value, colour)| (colour, value)).collect();
        Self { by, colours, ..Self::default() }
    }

    /// Sends what a value has come to be on to another class, or none, for all values at once.
    pub fn then(&mut self, to: impl Fn(u8) -> Option<u8>) {
        self.table.iter_mut().for_each(|class| *class = class.and_then(&to));
    }

    /// Whether every value is a class.
    pub fn keeps_all(&self) -> bool {
        self.table.iter().all(Option::is_some)
    }

    /// Leaves out a value, as files hold it.
    pub fn ignore(&mut self, value: u8) {
        self.table[usize::from(value)] = None;
    }

    /// Applies the lines of a label map file, for values and `#rrggbb`.
    ///
    /// # Errors
    /// If a left side is neither.
    pub fn map(&mut self, file: &LabelMapFile) -> Result<()> {
        let mut table: [Option<u8>; 256] = std::array::from_fn(|value| (!file.rest_ignored).then_some(value as u8));
        for (from, to) in &file.lines {
            let class = to.and_then(|class| u8::try_from(class).ok());
            if let Some(colour) = colour(from) {
                self.direct.insert(colour, class);
            } else {
                let value: u8 = from.parse().with_context(|| format!("label map: {from}: expected a value from 0 to 255, or a colour \"#rrggbb\""))?;
                table[usize::from(value)] = class;
            }
        }
        self.then(|value| table[usize::from(value)]);
        Ok(())
    }

    /// The classes of a label file.
    ///
    /// # Errors
    /// If it cannot be read, or has colours where values are asked for; names it.
    pub fn read(&self, path: &Path) -> Result<LabelMap> {
        Ok(self.apply(self.picture(path)?))
    }

    fn apply(&self, picture: Picture) -> LabelMap {
        match picture {
            Picture::Indices(mut map) => {
                map.data.iter_mut().for_each(|value| *value = self.table[usize::from(*value)].unwrap_or(NO_LABEL));
                map
            }
            Picture::Colours { height, width, data } => LabelMap { height, width, data: data.iter().map(|colour| self.of_colour(colour)).collect() },
        }
    }

    /// As [`Self::read`], with what stands in the file.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn examine(&self, path: &Path) -> Result<Truth> {
        let picture = self.picture(path)?;
        let mut found: Vec<(String, u64)> = match &picture {
            Picture::Indices(map) => {
                let counts = map.histogram(256);
                (0..).zip(counts).filter(|(_, count)| *count > 0).map(|(value, count): (usize, u64)| (value.to_string(), count)).collect()
            }
            Picture::Colours { data, .. } => {
                let mut counts: BTreeMap<[u8; 3], u64> = BTreeMap::new();
                data.iter().for_each(|colour| *counts.entry(*colour).or_default() += 1);
                counts.into_iter().map(|([r, g, b], count)| (format!("#{r:02x}{g:02x}{b:02x}"), count)).collect()
            }
        };
        found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(Truth { labels: self.apply(picture), found })
    }

    fn picture(&self, path: &Path) -> Result<Picture> {
        let picture = match self.by {
            LabelsBy::Index => return labels::read(path).map(Picture::Indices),
            LabelsBy::Auto => labels::read_any(path, false),
            LabelsBy::Colour => labels::read_any(path, true),
        };
        picture.with_context(|| format!("reading labels {}", path.display()))
    }

    fn of_colour(&self, colour: &[u8; 3]) -> u8 {
        let by_palette = || self.colours.get(colour).and_then(|&value| self.table[usize::from(value)]);
        self.direct.get(colour).copied().unwrap_or_else(by_palette).unwrap_or(NO_LABEL)
    }
}

/// `#rrggbb`.
fn colour(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let [_, r, g, b] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some([r, g, b])
}

/// Rules of a file of `from = to` lines: `7 = 0`, `8 = "car"`, `9 = "ignore"`, `"#c00080" = 1`.
/// With a line `rest = "ignore"`, values that the file does not name are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelMapFile {
    /// Left sides, as they are written, and the class or none.
    pub lines: BTreeMap<String, Option<usize>>,
    /// Whether what the file does not name is left out.
    pub rest_ignored: bool,
}

impl LabelMapFile {
    /// Reads such a file; right sides may be names of `classes`.
    ///
    /// # Errors
    /// If it cannot be read, is no table, or a right side is no class; names it.
    pub fn read(path: &Path, classes: &Classes) -> Result<Self> {
        let read = || -> Result<Self> { Self::parse(&std::fs::read_to_string(path)?, classes) };
        read().with_context(|| format!("label map {}", path.display()))
    }

    fn parse(text: &str, classes: &Classes) -> Result<Self> {
        let table: toml::Table = toml::from_str(text).context("expected lines FROM = TO, 7 = 0 for example")?;
        let mut made = Self::default();
        for (from, to) in table {
            let class = match &to {
                toml::Value::String(to) if to == "ignore" => None,
                toml::Value::String(to) => Some(
                    classes
                        .iter()
                        .position(|class| class.name == *to)
                        .with_context(|| format!("{from} = {to:?}: no class has this name, and it is not \"ignore\""))?,
                ),
                toml::Value::Integer(-1 | 255) if classes.len() <= 255 => None,
                toml::Value::Integer(to) => {
                    let class = usize::try_from(*to).ok().filter(|class| *class < classes.len());
                    Some(class.with_context(|| format!("{from} = {to}: expected a class below {}, or -1 for none", classes.len()))?)
                }
                other => bail!("{from} = {other}: expected a number or the name of a class"),
            };
            if from == "rest" {
                if class.is_some() {
                    bail!("rest = {to}: expected rest = \"ignore\"");
                }
                made.rest_ignored = true;
            } else {
                made.lines.insert(from, class);
            }
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(labels: &LabelMap) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), labels::encode(labels, &Classes::camvid11()).unwrap()).unwrap();
        file
    }

    #[test]
    fn values_go_through_the_tables_in_turn_and_what_is_ignored_stays_so() {
        let labels = file(&LabelMap::new(1, 5, vec![0, 1, 2, 3, 255]).unwrap());
        let mut rules = Rules::new(LabelsBy::Auto, &Classes::camvid11());
        rules.then(|value| value.checked_sub(1));
        rules.then(|value| value.checked_add(5));
        rules.ignore(3);
        assert_eq!(rules.read(labels.path()).unwrap().data, [255, 5, 6, 255, 255]);
        let truth = rules.examine(labels.path()).unwrap();
        assert_eq!(truth.found.iter().map(|(value, _)| value.as_str()).collect::<Vec<_>>(), ["0", "1", "2", "3", "255"]);
    }

    #[test]
    fn colours_are_classes_by_their_palette() {
        let classes = Classes::camvid11();
        let labels = LabelMap::new(1, 3, vec![0, 8, 3]).unwrap();
        let picture = crate::overlay::coloured(&LabelMap::new(1, 4, vec![0, 8, 3, 99]).unwrap(), &classes).unwrap();
        let rgb = tempfile::Builder::new().suffix(".png").tempfile().unwrap();
        picture.save(rgb.path()).unwrap();
        assert_eq!(Rules::new(LabelsBy::Auto, &classes).read(rgb.path()).unwrap().data, [0, 8, 3, 255]);
        assert!(Rules::new(LabelsBy::Index, &classes).read(rgb.path()).is_err());
        let found = Rules::new(LabelsBy::Auto, &classes).examine(rgb.path()).unwrap().found;
        assert!(found.contains(&("#000000".to_owned(), 1)), "{found:?}");
        // A palette PNG whose values are not the classes.
        let mut classes_reversed: Vec<_> = classes.iter().cloned().collect();
        classes_reversed.reverse();
        let text = toml::to_string(&BTreeMap::from([("class", classes_reversed)])).unwrap();
        let toml = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(toml.path(), text).unwrap();
        let reversed = Classes::of_model(11, Some(toml.path())).unwrap();
        assert_eq!(Rules::new(LabelsBy::Colour, &reversed).read(file(&labels).path()).unwrap().data, [10, 2, 7]);
    }

    #[test]
    fn a_label_map_file_has_numbers_and_names() {
        let parse = |text: &str| LabelMapFile::parse(text, &Classes::camvid11());
        let rules = |text: &str| {
            let mut rules = Rules::new(LabelsBy::Auto, &Classes::camvid11());
            rules.map(&parse(text)?).map(|()| rules)
        };
        let map = rules("7 = 0\n8 = \"car\"\n9 = -1\n10 = \"ignore\"\n\"#0102ff\" = \"car\"").unwrap();
        assert_eq!([0, 7, 8, 9, 10, 11].map(|value: usize| map.table[value]), [Some(0), Some(0), Some(8), None, None, Some(11)]);
        assert_eq!((map.of_colour(&[1, 2, 255]), map.of_colour(&[1, 2, 254])), (8, NO_LABEL));
        assert_eq!(rules("7 = 0\nrest = \"ignore\"").unwrap().table[3], None);
        assert!(parse("7 = 11").unwrap_err().to_string().contains("below 11"));
        assert!(parse("7 = \"bus\"").unwrap_err().to_string().contains("bus"));
        assert!(rules("rest = 3").is_err() && rules("x = 1").is_err() && rules("256 = 1").is_err() && rules("\"#12345\" = 1").is_err());
    }
}
