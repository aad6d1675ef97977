//! Which tensors of a file are the weights: prefixes, averages, other heads' names, what lies
//! beside, and what is said where nothing fits.

mod small;

use std::path::Path;

use hrvit_format::{Head, Network, Spec};
use hrvit_reference::{Averaged, Checkpoint, CheckpointError, Selection};
use hrvit_tests::pth::{File, Ops, Writer};

fn network(head: Head) -> Network {
    small::network(head)
}

fn synthetic(head: Head) -> Checkpoint {
    Checkpoint::synthetic(&network(head), 1).unwrap()
}

fn other(head: Head) -> Checkpoint {
    Checkpoint::synthetic(&network(head), 2).unwrap()
}

fn read_as(file: &File, network: &Network, selection: &Selection) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::read_bytes_selected(Path::new("weights.pth"), &file.zip(), network, selection)
}

fn read(file: &File, selection: &Selection) -> Result<Checkpoint, CheckpointError> {
    read_as(file, &network(Head::Segformer), selection)
}

/// Tensors of `checkpoint` under other names.
fn renamed(file: &mut File, checkpoint: &Checkpoint, rename: impl Fn(&str) -> String) -> Vec<(String, Ops)> {
    let before = file.items.len();
    checkpoint.iter().for_each(|(name, tensor)| file.push(&rename(name), &tensor.shape, &tensor.data));
    file.items.split_off(before)
}

/// A file of a dictionary for each part of `path`, the innermost with these tensors.
fn nested(file: &mut File, path: &[&str], items: Vec<(String, Ops)>) {
    let w = file.writer;
    let Some((outer, inner)) = path.split_first() else {
        file.items.extend(items);
        return;
    };
    let dictionary = inner.iter().rev().fold(w.dict(&items), |value, name| w.dict(&[((*name).to_owned(), value)]));
    file.items.push(((*outer).to_owned(), dictionary));
}

#[track_caller]
fn is(found: Result<Checkpoint, CheckpointError>, expected: &Checkpoint) -> String {
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    assert!(found.iter().eq(expected.iter()));
    found.taken().to_string()
}

#[test]
fn any_prefix_that_all_names_share() {
    for prefix in ["module.", "_orig_mod.", "module._orig_mod.", "net.", "model.", "student.", "generator.segmentor.", "model._orig_mod.net."] {
        for path in [&[][..], &["state_dict"], &["checkpoint", "weights"], &["model_ema", "module"]] {
            let mut file = File::new(2);
            let items = renamed(&mut file, &synthetic(Head::Segformer), |name| format!("{prefix}{name}"));
            nested(&mut file, path, items);
            let said = is(read(&file, &Selection::default()), &synthetic(Head::Segformer));
            assert!(said.contains(&format!("{prefix}\"")) && said.contains(&path.join(".")), "{said}");
        }
    }
}

#[test]
fn wrappers_within_names() {
    let wrapped = |name: &str| name.replacen("backbone.", "backbone._orig_mod.", 1).replacen("decode_head.", "decode_head.module.", 1);
    let mut whole = File::new(4);
    let items = renamed(&mut whole, &synthetic(Head::Segformer), wrapped);
    whole.items = items;
    is(read(&whole, &Selection::default()), &synthetic(Head::Segformer));
}

#[test]
fn averaged_weights_are_taken_unless_told_otherwise() {
    for (averaged, last) in [("model_ema", "model"), ("state_dict_ema", "state_dict"), ("ema_model", "net"), ("ema", "")] {
        let mut file = File::new(2);
        let items = renamed(&mut file, &synthetic(Head::Segformer), str::to_owned);
        nested(&mut file, &[averaged], items);
        let items = renamed(&mut file, &other(Head::Segformer), str::to_owned);
        nested(&mut file, if last.is_empty() { &[] } else { std::slice::from_ref(&last) }, items);
        let choose = |averaged| Selection { averaged, ..Selection::default() };
        let said = is(read(&file, &choose(Averaged::Preferred)), &synthetic(Head::Segformer));
        assert!(said.contains("averaged") && said.contains(averaged), "{said}");
        is(read(&file, &choose(Averaged::Required)), &synthetic(Head::Segformer));
        is(read(&file, &choose(Averaged::Avoided)), &other(Head::Segformer));
        let exact = Selection { prefix: Some(format!("{averaged}.")), ..Selection::default() };
        is(read(&file, &exact), &synthetic(Head::Segformer));
    }
    let plain = File::of(&synthetic(Head::Segformer), 2);
    let error = read(&plain, &Selection { averaged: Averaged::Required, ..Selection::default() }).unwrap_err().to_string();
    assert!(error.contains("no averaged weights"), "{error}");
}

#[test]
fn two_sets_of_equal_rank_are_ambiguous_and_a_prefix_decides() {
    let mut file = File::new(2);
    for (name, checkpoint) in [("student.", synthetic(Head::Segformer)), ("teacher.", other(Head::Segformer))] {
        let items = renamed(&mut file, &checkpoint, |tensor| format!("{name}{tensor}"));
        file.items.extend(items);
    }
    let error = read(&file, &Selection::default()).unwrap_err();
    assert!(matches!(error, CheckpointError::Several { .. }) && error.to_string().contains("\"student.\", \"teacher.\""), "{error}");
    is(read(&file, &Selection { prefix: Some("teacher.".into()), ..Selection::default() }), &other(Head::Segformer));
}

#[test]
fn what_serves_training_alone_is_left_out_and_said() {
    let mut file = File::of(&synthetic(Head::Segformer), 2);
    file.push("auxiliary_head.conv_seg.weight", &[5, 4, 1, 1], &[0.5; 20]);
    file.push("auxiliary_head.conv_seg.bias", &[5], &[0.5; 5]);
    file.push("best_score", &[], &[0.7]);
    let said = is(read(&file, &Selection::default()), &synthetic(Head::Segformer));
    assert!(said.contains("3 other tensors left out (auxiliary_head, best_score)"), "{said}");
    file.push("projector.weight", &[2, 3], &[0.0; 6]);
    let error = read(&file, &Selection::default()).unwrap_err().to_string();
    assert!(error.contains("projector.weight") && error.contains("--ignore-tensor 'projector.*'"), "{error}");
    is(read(&file, &Selection { ignore: vec!["proj*".into()], ..Selection::default() }), &synthetic(Head::Segformer));
}

/// The pattern that an error suggests leaves out what it is about, and no more.
#[test]
fn suggested_patterns_work() {
    for (path, extra) in
        [(&["state_dict"][..], "projector.weight"), (&[][..], "projector.weight"), (&["state_dict"][..], "decode_head.loss_decode.class_weight")]
    {
        let mut file = File::new(2);
        let mut items = renamed(&mut file, &synthetic(Head::Segformer), str::to_owned);
        file.push(extra, &[5, 2], &[0.0; 10]);
        items.append(&mut file.items);
        nested(&mut file, path, items);
        let error = read(&file, &Selection::default()).unwrap_err().to_string();
        let pattern = error.split("--ignore-tensor '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap_or_else(|| panic!("{error}")).to_owned();
        is(read(&file, &Selection { ignore: vec![pattern], ..Selection::default() }), &synthetic(Head::Segformer));
    }
}

#[test]
fn options_without_effect_are_refused() {
    let file = File::of(&synthetic(Head::Segformer), 2);
    let error = read(&file, &Selection { ignore: vec!["typo*".into()], ..Selection::default() }).unwrap_err().to_string();
    assert!(error.contains("--ignore-tensor 'typo*': the file has no such tensor"), "{error}");
    let error = read(&file, &Selection { convs_without_relu: true, ..Selection::default() }).unwrap_err().to_string();
    assert!(error.contains("--convs-without-relu"), "{error}");
    let error = read(&file, &Selection { prefix: Some("nett".into()), ..Selection::default() }).unwrap_err().to_string();
    assert!(error.contains("stands behind --prefix nett"), "{error}");
}

#[test]
fn a_prefix_needs_no_dot_at_its_end() {
    let mut file = File::new(2);
    let items = renamed(&mut file, &synthetic(Head::Segformer), str::to_owned);
    nested(&mut file, &["state_dict"], items);
    is(read(&file, &Selection { prefix: Some("state_dict".into()), ..Selection::default() }), &synthetic(Head::Segformer));
}

/// Its averaging hook saves the averages as `state_dict` and what was trained last as
/// `ema_state_dict`.
#[test]
fn mmengine_swaps_averages_and_last_weights() {
    let mut file = File::new(2);
    let items = renamed(&mut file, &synthetic(Head::Segformer), str::to_owned);
    nested(&mut file, &["state_dict"], items);
    let mut items = renamed(&mut file, &other(Head::Segformer), |name| format!("module.{name}"));
    let w = file.writer;
    let key = file.storage(vec![0; 8], 8);
    items.push(("steps".to_owned(), w.tensor(w.storage("LongStorage", &key, 1), 0, &[], &[])));
    nested(&mut file, &["ema_state_dict"], items);
    let said = is(read(&file, &Selection::default()), &synthetic(Head::Segformer));
    assert!(said.contains("averaged weights under \"state_dict.\"") && said.contains("mmengine") && said.contains("not those under"), "{said}");
    is(read(&file, &Selection { averaged: Averaged::Avoided, ..Selection::default() }), &other(Head::Segformer));
}

#[test]
fn averages_that_are_not_whole_are_told() {
    let mut file = File::new(2);
    let items = renamed(&mut file, &synthetic(Head::Segformer), str::to_owned);
    nested(&mut file, &["model"], items);
    let mut items = renamed(&mut file, &other(Head::Segformer), str::to_owned);
    items.retain(|(name, _)| !name.contains("running_"));
    nested(&mut file, &["model_ema"], items);
    let said = is(read(&file, &Selection::default()), &synthetic(Head::Segformer));
    assert!(said.contains("averages under \"model_ema.\" lack"), "{said}");
}

#[test]
fn a_shape_beyond_memory_beside_the_weights_is_an_extra_tensor() {
    let mut file = File::of(&synthetic(Head::Segformer), 2);
    file.push_view("projector", &[0.0], 0, &[1 << 32, 1 << 32], &[0, 0]);
    let error = read(&file, &Selection::default()).unwrap_err();
    assert!(matches!(error, CheckpointError::Extra { .. }), "{error}");
}

#[test]
fn a_classifier_under_backbone() {
    let expected = synthetic(Head::Classifier);
    for all in [true, false] {
        let mut file = File::new(2);
        let rename = |name: &str| if all || !name.starts_with("head.") { format!("backbone.{name}") } else { name.to_owned() };
        let items = renamed(&mut file, &expected, rename);
        file.items = items;
        is(read_as(&file, &network(Head::Classifier), &Selection::default()), &expected);
    }
}

/// The original SegFormer head's names and layouts of `checkpoint`.
fn original(file: &mut File, checkpoint: &Checkpoint) {
    for (name, tensor) in checkpoint.iter() {
        let Some(head) = name.strip_prefix("decode_head.") else {
            file.push(name, &tensor.shape, &tensor.data);
            continue;
        };
        if let Some((branch, part)) = head.strip_prefix("convs.").and_then(|rest| rest.split_once(".conv.")) {
            let number = branch.parse::<usize>().unwrap() + 1;
            file.push(&format!("decode_head.linear_c{number}.proj.{part}"), &tensor.shape[..tensor.shape.len().min(2)], &tensor.data);
        } else if head == "fusion_conv.conv.weight" {
            let width = tensor.shape[0];
            // Column group g of a row is branch 3 - g there.
            let column = |i: usize| (i / (4 * width), (3 - i % (4 * width) / width) * width + i % width);
            let data: Vec<f32> = (0..tensor.data.len()).map(column).map(|(row, column)| tensor.data[row * 4 * width + column]).collect();
            file.push("decode_head.linear_fuse.conv.weight", &tensor.shape, &data);
        } else if let Some(rest) = head.strip_prefix("fusion_conv.") {
            file.push(&format!("decode_head.linear_fuse.{rest}"), &tensor.shape, &tensor.data);
        } else {
            let rest = head.strip_prefix("conv_seg.").unwrap();
            file.push(&format!("decode_head.linear_pred.{rest}"), &tensor.shape, &tensor.data);
            // Inherited, never used.
            file.push(name, &tensor.shape, &vec![9.0; tensor.data.len()]);
        }
    }
}

#[test]
fn the_original_segformer_head() {
    let mut file = File::new(2);
    original(&mut file, &synthetic(Head::Segformer));
    let said = is(read(&file, &Selection::default()), &synthetic(Head::Segformer));
    assert!(said.contains("original SegFormer"), "{said}");
}

#[test]
fn batch_norms_of_convs_are_refused_by_name_and_folded_when_asked() {
    let checkpoint = synthetic(Head::Segformer);
    for biased in [false, true] {
        let mut file = File::new(2);
        let mut expected: std::collections::BTreeMap<String, Vec<f64>> = Default::default();
        for (name, tensor) in checkpoint.iter() {
            let Some((layer, part)) = name.strip_prefix("decode_head.convs.").and_then(|rest| rest.split_once(".conv.")) else {
                file.push(name, &tensor.shape, &tensor.data);
                continue;
            };
            // y = gamma (w x + b - mean) / sqrt(variance + eps) + beta.
            let (gamma, beta, mean, variance) = (1.5f32, 0.25f32, -0.5f32, 2.0f32);
            let gain = f64::from(gamma) / (f64::from(variance) + 1e-5).sqrt();
            let width = tensor.shape[0];
            if part == "weight" {
                file.push(name, &tensor.shape, &tensor.data);
                for (part, value) in [("weight", gamma), ("bias", beta), ("running_mean", mean), ("running_var", variance)] {
                    file.push(&format!("decode_head.convs.{layer}.bn.{part}"), &[width], &vec![value; width]);
                }
                expected.insert(name.to_owned(), tensor.data.iter().map(|&w| f64::from(w) * gain).collect());
            } else {
                let bias = |&b: &f32| f64::from(beta) + ((if biased { f64::from(b) } else { 0.0 }) - f64::from(mean)) * gain;
                expected.insert(name.to_owned(), tensor.data.iter().map(bias).collect());
                if biased {
                    file.push(name, &tensor.shape, &tensor.data);
                }
            }
        }
        let error = read(&file, &Selection::default()).unwrap_err();
        assert!(matches!(error, CheckpointError::ReluHead) && error.to_string().contains("ReLU"), "{error}");
        let folded = read(&file, &Selection { convs_without_relu: true, ..Selection::default() }).unwrap();
        for (name, values) in &expected {
            let found = &folded.get(name).unwrap().data;
            assert!(found.iter().zip(values).all(|(a, b)| (f64::from(*a) - b).abs() <= 1e-6 * b.abs().max(1.0)), "{name}, biased {biased}");
        }
    }
}

#[test]
fn names_of_classes_are_read_of_both_layouts_of_mmsegmentation() {
    let w = Writer { protocol: 2 };
    let colour = |rgb: [i64; 3]| w.tuple(&rgb.map(|channel| w.int(channel)));
    let names = w.tuple(&["sky", "road"].map(|name| w.text(name)));
    let palette = w.tuple(&[colour([1, 2, 3]), colour([4, 5, 255])]);
    for newer in [false, true] {
        let keys = if newer { ["classes", "palette"] } else { ["CLASSES", "PALETTE"] };
        let about = w.dict(&[(keys[0].to_owned(), names.clone()), (keys[1].to_owned(), palette.clone())]);
        let meta = if newer { w.dict(&[("dataset_meta".to_owned(), about)]) } else { about };
        let mut file = File::new(2);
        let items = renamed(&mut file, &synthetic(Head::Segformer), str::to_owned);
        file.items = vec![("meta".to_owned(), meta)];
        nested(&mut file, &["state_dict"], items);
        let found = read(&file, &Selection::default()).unwrap();
        let classes = found.class_names().unwrap();
        assert_eq!((classes.names.join(" "), classes.colours.as_slice()), ("sky road".to_owned(), &[[1, 2, 3], [4, 5, 255]][..]));
    }
}

#[test]
fn a_file_of_another_kind_of_network_shows_names_and_the_closest_variant() {
    let mut file = File::new(2);
    let items = renamed(&mut file, &synthetic(Head::Segformer), |name| format!("encoder_{}", name.replace('.', "_")));
    file.items = items;
    let error = read(&file, &Selection::default()).unwrap_err().to_string();
    for part in ["no name of the file ends in one of the network's", "encoder_backbone_features_1_branches", "backbone.stem.conv1.weight"] {
        assert!(error.contains(part), "{error}");
    }
    let nano = Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes: 3 };
    let b1 = Network { spec: Spec::variant("b1").unwrap(), ..nano.clone() };
    let file = File::of(&Checkpoint::synthetic(&b1, 1).unwrap(), 2);
    let error = read_as(&file, &nano, &Selection::default()).unwrap_err().to_string();
    assert!(error.contains("--variant b1 --head segformer --classes 3"), "{error}");
    let error = read_as(&file, &Network { classes: 4, ..b1 }, &Selection::default()).unwrap_err().to_string();
    assert!(error.contains("--classes 3"), "{error}");
}

#[test]
fn a_backbone_alone_says_so() {
    let mut file = File::new(2);
    let all = synthetic(Head::Segformer);
    for (name, tensor) in all.iter().filter(|(name, _)| name.starts_with("backbone.")) {
        file.push(name, &tensor.shape, &tensor.data);
    }
    let error = read(&file, &Selection::default()).unwrap_err().to_string();
    assert!(error.contains("decode_head.convs.0.conv.weight: missing") && error.contains("backbone alone"), "{error}");
}
