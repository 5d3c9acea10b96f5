//! Replays the inputs of every target: those that reach most of the code, and those that once found a defect.

use std::{fs, panic, path::Path};

use bayeux_fuzz::TARGETS;

/// Each input of each target below a directory; returns how many there were.
fn replay(directory: &str) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut replayed = 0;
    for target in TARGETS {
        let Ok(entries) = fs::read_dir(root.join(target.name)) else { continue };
        for entry in entries {
            let path = entry.expect("the directory can be listed").path();
            let input = fs::read(&path).expect("an input can be read");
            let done = panic::catch_unwind(|| (target.run)(&input));
            assert!(done.is_ok(), "{} fails with {}", target.name, path.display());
            replayed += 1;
        }
    }
    replayed
}

#[test]
fn every_input_of_the_corpus_keeps_the_promises() {
    assert!(replay("corpus") >= TARGETS.len(), "each target has inputs");
}

#[test]
fn no_input_that_once_found_a_defect_finds_it_again() {
    assert!(replay("regressions") > 0, "there are some");
}

#[test]
fn inputs_belong_to_targets_there_are() {
    for directory in ["corpus", "regressions"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        for entry in fs::read_dir(root).expect("the directory is there") {
            let name = entry.expect("the directory can be listed").file_name();
            let known = TARGETS.iter().any(|target| name == target.name);
            assert!(known, "{directory}/{} is of no target", name.display());
        }
    }
}
