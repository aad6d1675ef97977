//! Names and colours of the classes.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use hrvit_format::Meta;
use hrvit_reference::ClassNames;
use serde::{Deserialize, Serialize};

/// One class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its name for people.
    pub name: String,
    /// Red, green, blue in overlays and label palettes.
    pub colour: [u8; 3],
}

/// The classes in order of their label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classes {
    class: Vec<Class>,
}

impl Classes {
    /// The eleven classes of CamVid (SegNet split), from `data/camvid11.toml`.
    pub fn camvid11() -> Self {
        toml::from_str(include_str!("../../../data/camvid11.toml")).expect("data/camvid11.toml is a table of classes")
    }

    /// `class 0`, `class 1`, …, each with a colour far from its neighbours'. The bits of the
    /// number, lowest first, go to the high bits of red, green and blue in turn. (This is the
    /// colour map of the PASCAL VOC data set.)
    pub fn numbered(count: usize) -> Self {
        let colour = |number: usize| {
            let mut rgb = [0u8; 3];
            for level in 0..8 {
                for (channel, value) in rgb.iter_mut().enumerate() {
                    *value |= (((number >> (3 * level + channel)) & 1) as u8) << (7 - level);
                }
            }
            rgb
        };
        Self { class: (0..count).map(|number| Class { name: format!("class {number}"), colour: colour(number + 1) }).collect() }
    }

    /// Classes as a checkpoint names them; without colours of its own each has that of its number.
    pub fn named(classes: &ClassNames) -> Self {
        let mut all = Self::numbered(classes.names.len());
        for (number, (class, name)) in all.class.iter_mut().zip(&classes.names).enumerate() {
            class.name.clone_from(name);
            class.colour = classes.colours.get(number).copied().unwrap_or(class.colour);
        }
        all
    }

    /// The same behind a background, black.
    pub fn with_background(mut self) -> Self {
        self.class.insert(0, Class { name: "background".into(), colour: [0; 3] });
        self
    }

    /// The classes of a model with `count` classes: those of `file` if one is given; else CamVid's
    /// where there are eleven and numbers where not.
    ///
    /// # Errors
    /// If the file cannot be read, is no table of classes, or lists another number of classes than
    /// the model has.
    pub fn of_model(count: usize, file: Option<&Path>) -> Result<Self> {
        let Some(path) = file else {
            return Ok(if count == 11 { Self::camvid11() } else { Self::numbered(count) });
        };
        let text = std::fs::read_to_string(path).with_context(|| format!("reading classes {}", path.display()))?;
        let classes: Self = toml::from_str(&text).with_context(|| format!("classes {}: expected [[class]] tables with name and colour", path.display()))?;
        ensure!(classes.len() == count, "classes {}: {} listed, but the model has {count}", path.display(), classes.len());
        Ok(classes)
    }

    /// The classes that a model image names; where it has no names or colours, as
    /// [`Self::of_model`] without a file.
    ///
    /// # Errors
    /// As [`Self::of_model`].
    pub fn of_image(meta: &Meta<'_>) -> Result<Self> {
        let mut classes = Self::of_model(usize::from(meta.network.classes), None)?;
        for (number, class) in classes.class.iter_mut().enumerate() {
            if let Some(name) = meta.class_name(number) {
                class.name = name.to_owned();
            }
            if let Some(colour) = meta.colour(number) {
                class.colour = colour;
            }
        }
        Ok(classes)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.class.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.class.is_empty()
    }

    /// In order of their label.
    pub fn iter(&self) -> impl Iterator<Item = &Class> {
        self.class.iter()
    }

    /// Colours in order of their label.
    pub fn colours(&self) -> impl Iterator<Item = [u8; 3]> + '_ {
        self.class.iter().map(|class| class.colour)
    }

    /// Colour of a label; `None` where it is no class.
    pub fn colour(&self, label: u8) -> Option<[u8; 3]> {
        self.class.get(usize::from(label)).map(|class| class.colour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn camvid_has_eleven_classes_of_different_colours() {
        let classes = Classes::camvid11();
        assert_eq!(classes.len(), 11);
        assert_eq!(classes.iter().next().map(|class| class.name.as_str()), Some("sky"));
        let mut colours: Vec<_> = classes.colours().collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), 11);
    }

    #[test]
    fn numbered_colours_differ_up_to_256_classes() {
        let mut colours: Vec<_> = Classes::numbered(256).colours().collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), 256);
    }

    #[test]
    fn numbered_first_colours_are_those_of_pascal_voc() {
        let colours: Vec<_> = Classes::numbered(3).colours().collect();
        assert_eq!(colours, [[128, 0, 0], [0, 128, 0], [128, 128, 0]]);
    }

    #[test]
    fn a_file_with_another_number_of_classes_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[[class]]\nname = \"a\"\ncolour = [1, 2, 3]\n").unwrap();
        assert_eq!(Classes::of_model(1, Some(file.path())).unwrap().colour(0), Some([1, 2, 3]));
        let error = Classes::of_model(2, Some(file.path())).unwrap_err().to_string();
        assert!(error.contains("1 listed") && error.contains("has 2"), "{error}");
    }
}
