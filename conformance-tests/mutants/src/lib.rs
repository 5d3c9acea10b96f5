//! What the mutants have in common: how a table of defects is declared, searched and listed.

use serde_json::{Value, json};

/// A defect as it is listed.
pub struct Row<D: 'static> {
    /// Which it is.
    pub defect: D,
    /// The value of `--defect`.
    pub name: &'static str,
    /// What is wrong, in a line.
    pub breaks: &'static str,
    /// Cases of which at least one must fail.
    pub kills: &'static [&'static str],
    /// Cases of the smoke that may change too, since they stand on what is broken.
    pub also: &'static [&'static str],
}

/// Declares the enum `Defect` and the table `ALL` together, so that no defect is without its row.
#[macro_export]
macro_rules! defects {
    ($($(#[$comment:meta])* $variant:ident $name:literal $breaks:literal kills [$($kills:literal)*] also [$($also:literal)*];)*) => {
        /// One way in which this program can be wrong. Each is asked for where the decision is made; the comments name programs
        /// in which it was seen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Defect { $($(#[$comment])* $variant,)* }

        /// All of them.
        pub(crate) const ALL: &[$crate::Row<Defect>] = &[$($crate::Row {
            defect: Defect::$variant, name: $name, breaks: $breaks, kills: &[$($kills),*], also: &[$($also),*],
        },)*];
    };
}

/// The defect of this name.
pub fn find<D: Copy>(all: &[Row<D>], name: &str) -> Result<D, String> {
    let found = all.iter().find(|row| row.name == name);
    found.map(|row| row.defect).ok_or_else(|| "no such defect; --list names them".into())
}

/// All of them, with the smoke: as JSON, or a line each.
pub fn list<D>(smoke: &[&str], all: &[Row<D>], as_json: bool) -> String {
    if as_json {
        return format!("{}\n", catalogue(smoke, all));
    }
    all.iter().map(|row| format!("{:<32}{:<28}{}\n", row.name, row.kills.join(" "), row.breaks)).collect()
}

fn catalogue<D>(smoke: &[&str], all: &[Row<D>]) -> Value {
    let row = |row: &Row<D>| json!({"name": row.name, "breaks": row.breaks, "kills": row.kills, "also": row.also});
    json!({"smoke": smoke, "defects": all.iter().map(row).collect::<Vec<_>>()})
}

/// Writes what a program was asked for.
#[expect(clippy::print_stdout, reason = "what a program was asked for goes there")]
pub fn print(text: &str) {
    print!("{text}");
}
