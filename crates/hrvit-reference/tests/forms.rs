//! Checkpoints that PyTorch itself writes, in every form in which people have them: each loads, or
//! its message names the cause and the remedy.

mod small;

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use hrvit_format::Head;
use hrvit_reference::Checkpoint;

/// A file that the script wrote.
#[derive(serde::Deserialize)]
struct Form {
    file: String,
    loads: Option<f32>,
    says: String,
}

/// The Python that has torch and safetensors: `HRVIT_PYTHON`, else `python3`; none where it has
/// not.
fn python() -> Option<String> {
    let python = std::env::var("HRVIT_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let probe = Command::new(&python).args(["-c", "import torch, safetensors.torch"]).output();
    if probe.is_ok_and(|probe| probe.status.success()) {
        return Some(python);
    }
    let skipped = format!("\nforms_of_torch: SKIPPED, {python} has no torch and safetensors here (HRVIT_PYTHON names another)\n");
    // Past the capture of output: a test that did not run must be seen.
    std::io::stderr().write_all(skipped.as_bytes()).unwrap();
    None
}

#[test]
fn forms_of_torch() {
    let Some(python) = python() else { return };
    let folder = tempfile::TempDir::new().unwrap();
    let network = small::network(Head::Segformer);
    let expected = Checkpoint::synthetic(&network, 1).unwrap();
    let base = folder.path().join("base.safetensors");
    std::fs::write(&base, expected.to_safetensors().unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/make_forms.py");
    let ran = Command::new(python).arg(script).arg(&base).arg(folder.path()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let forms: Vec<Form> = serde_json::from_slice(&ran.stdout).unwrap();
    let mut wrong = Vec::new();
    for Form { file, loads, says } in &forms {
        let read = Checkpoint::read(&folder.path().join(file), &network);
        let told = match &read {
            Ok(found) => found.taken().to_string(),
            Err(error) => error.to_string(),
        };
        println!("{file}: {told}");
        let right = match (&read, loads) {
            (Ok(found), Some(tolerance)) => {
                let mut pairs = found.iter().zip(expected.iter());
                pairs.all(|((_, a), (_, b))| a.shape == b.shape && a.data.iter().zip(&b.data).all(|(a, b)| (a - b).abs() <= *tolerance))
            }
            (Err(_), None) => told.contains(says) && told.lines().count() == 1,
            _ => false,
        };
        if !right {
            wrong.push(format!("{file}: {told}"));
        }
    }
    assert!(forms.len() >= 55 && wrong.is_empty(), "of {} forms:\n{}", forms.len(), wrong.join("\n"));
}
