//! The fuzzer's entry point: one program for all targets, and `BAYEUX_FUZZ_TARGET` names the one to run. Its arguments are
//! libFuzzer's; see `cargo xtask soak fuzz`.
#![no_main]

use std::sync::OnceLock;

use bayeux_fuzz::Target;

static TARGET: OnceLock<Target> = OnceLock::new();

fn target() -> &'static Target {
    TARGET.get_or_init(|| {
        let name = std::env::var("BAYEUX_FUZZ_TARGET").expect("BAYEUX_FUZZ_TARGET names a target");
        Target::named(&name).expect("there is a target of this name")
    })
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| (target().run)(input));
