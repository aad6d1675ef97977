//! Networks of one class: a pixel or frame is of the class where its logit's logistic function is
//! at least a threshold. The engine decides between two classes: a background, whose logit is 0
//! everywhere, and the class, whose bias is less by the threshold's logit. Ties are the class's.

use std::path::Path;

use anyhow::{Result, ensure};
use hrvit_format::{Head, Meta, Network, Preprocess};
use hrvit_reference::{Checkpoint, Selection, Tensor};

use crate::palette::Classes;
use crate::selection;

/// Threshold where none is given.
const THRESHOLD: f32 = 0.5;
/// Logit of the background: below 0, so that ties are the class's, by the least that half precision
/// holds.
const BACKGROUND: f32 = -1.0 / (1u32 << 24) as f32;

/// The threshold of `network`, if it has one class: the one given, or 0.5.
pub fn threshold(network: &Network, given: Option<f32>) -> Option<f32> {
    (network.classes == 1).then(|| given.unwrap_or(THRESHOLD))
}

/// The network as an image has it: of one class with a background.
pub fn in_image(network: Network) -> Network {
    let classes = if network.classes == 1 { 2 } else { network.classes };
    Network { classes, ..network }
}

/// The checkpoint `path` of `network`, trained on pictures that were prepared as `preprocess` says.
/// `selection` chooses its tensors. A network of one class becomes one of two, with `threshold` or
/// 0.5. Says what was taken.
///
/// # Errors
/// If it does not fit the network, or there is a threshold and more than one class.
pub fn read(path: &Path, network: &Network, threshold: Option<f32>, selection: &Selection, preprocess: Preprocess) -> Result<Checkpoint> {
    let checkpoint = Checkpoint::read_selected(path, network, selection)?.with_preprocess(preprocess);
    selection::say(path, &checkpoint);
    if let Some(threshold) = self::threshold(network, threshold) {
        return with_background(&checkpoint, threshold);
    }
    ensure!(threshold.is_none(), "--threshold belongs to networks of one class, this one has {}", network.classes);
    Ok(checkpoint)
}

/// The checkpoint `path` as the network that a model image was made of.
///
/// # Errors
/// If it does not fit.
pub fn read_for(path: &Path, meta: &Meta<'_>, selection: &Selection) -> Result<Checkpoint> {
    let classes = if meta.threshold.is_some() { 1 } else { meta.network.classes };
    read(path, &Network { classes, ..meta.network.clone() }, meta.threshold, selection, meta.preprocess)
}

/// Names and colours for the classes that a network of `count` decides between, from `file` if
/// given. A network of one class has a background too.
///
/// # Errors
/// As [`Classes::of_model`].
pub fn classes(count: u16, file: Option<&Path>) -> Result<Classes> {
    let classes = Classes::of_model(usize::from(count), file)?;
    Ok(if count == 1 { classes.with_background() } else { classes })
}

/// Names and colours that the checkpoint has beside its weights, for the classes that its network
/// decides between. None if it names another number of classes.
pub fn classes_named(checkpoint: &Checkpoint) -> Option<Classes> {
    let named = Classes::named(checkpoint.class_names()?);
    let count = usize::from(checkpoint.network().classes);
    match named.len() {
        found if found == count => Some(named),
        // Of one class, which became two.
        1 if count == 2 => Some(named.with_background()),
        found => {
            eprintln!("warning: the checkpoint names {found} classes, the network has {count}: the names are left out (--classes-file gives others)");
            None
        }
    }
}

/// The classes of a model image: those of `file` where there is one, which may leave the background
/// out.
///
/// # Errors
/// As [`Classes::of_model`].
pub fn classes_for(meta: &Meta<'_>, file: Option<&Path>) -> Result<Classes> {
    match file {
        None => Classes::of_image(meta),
        Some(_) if meta.threshold.is_some() => classes(1, file).or_else(|_| Classes::of_model(2, file)),
        Some(_) => Classes::of_model(usize::from(meta.network.classes), file),
    }
}

/// `checkpoint`, of one class, as a network of two.
///
/// # Errors
/// If the threshold is no probability between 0 and 1, or the network has other than one class.
pub fn with_background(checkpoint: &Checkpoint, threshold: f32) -> Result<Checkpoint> {
    ensure!(threshold > 0.0 && threshold < 1.0, "--threshold {threshold}: expected a probability between 0 and 1, both excluded");
    let network = checkpoint.network();
    ensure!(network.classes == 1, "a threshold decides networks of one class, this one has {}", network.classes);
    let layer = match network.head {
        Head::Segformer => "decode_head.conv_seg",
        Head::Classifier => "head.classifier",
    };
    let logit = (f64::from(threshold) / (1.0 - f64::from(threshold))).ln();
    let mut tensors: std::collections::BTreeMap<String, Tensor> = checkpoint.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
    for (part, background) in [("weight", 0.0), ("bias", BACKGROUND)] {
        let tensor = tensors.entry(format!("{layer}.{part}")).or_insert_with(|| unreachable!("a checkpoint has all tensors of its network"));
        if part == "bias" {
            tensor.data.iter_mut().for_each(|bias| *bias = (f64::from(*bias) - logit) as f32);
        }
        tensor.data.splice(..0, vec![background; tensor.data.len()]);
        tensor.shape[0] = 2;
    }
    let two = Checkpoint::new(&Network { classes: 2, ..network.clone() }, tensors, format!("{}, threshold {threshold}", checkpoint.origin()))?;
    Ok(two.with_class_names(checkpoint.class_names().cloned()).with_preprocess(*checkpoint.preprocess()))
}

#[cfg(test)]
mod tests {
    use hrvit_format::{Size, Spec};
    use hrvit_reference::{Folded, Frame, NoTap};

    use super::*;

    fn network(head: Head) -> Network {
        Network { spec: Spec::variant("nano").unwrap(), head, classes: 1 }
    }

    #[test]
    fn the_class_wins_where_its_probability_reaches_the_threshold() {
        for head in [Head::Segformer, Head::Classifier] {
            let one = Checkpoint::synthetic(&network(head), 5).unwrap();
            let logits = |checkpoint: &Checkpoint| {
                let rgb = (0..3 * 32 * 64).map(|i| (i * 37 % 251) as u8).collect();
                Folded::new(checkpoint).forward(Frame::new(Size::new(32, 64).unwrap(), rgb).unwrap(), &mut NoTap).data
            };
            let single = logits(&one);
            for threshold in [0.1, 0.5, 0.9] {
                let double = logits(&with_background(&one, threshold).unwrap());
                for (x, pair) in single.iter().zip(double.chunks(2)) {
                    let probability = 1.0 / (1.0 + (-f64::from(*x)).exp());
                    if (probability - f64::from(threshold)).abs() > 1e-6 {
                        assert_eq!(pair[1] > pair[0], probability > f64::from(threshold), "{x} {pair:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn ties_are_the_class() {
        let mut tensors: std::collections::BTreeMap<String, Tensor> =
            Checkpoint::synthetic(&network(Head::Segformer), 5).unwrap().iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
        for part in ["weight", "bias"] {
            tensors.get_mut(&format!("decode_head.conv_seg.{part}")).unwrap().data.fill(0.0);
        }
        let tied = with_background(&Checkpoint::new(&network(Head::Segformer), tensors, "zero".into()).unwrap(), 0.5).unwrap();
        let bias = &tied.get("decode_head.conv_seg.bias").unwrap().data;
        assert!(bias[1] == 0.0 && bias[0] < 0.0 && half::f16::from_f32(bias[0]) != half::f16::ZERO, "{bias:?}");
    }

    #[test]
    fn thresholds_that_decide_nothing_are_refused() {
        let one = Checkpoint::synthetic(&network(Head::Segformer), 5).unwrap();
        for threshold in [0.0, 1.0, -0.5, f32::NAN] {
            assert!(with_background(&one, threshold).unwrap_err().to_string().contains("--threshold"), "{threshold}");
        }
        assert!(with_background(&with_background(&one, 0.5).unwrap(), 0.5).is_err());
    }
}
