//! docs/limits.md: the table of limits as the binary prints it, so that the page is what the code says.

use std::fs;

use anyhow::{Context, Result};

use crate::workspace;

/// Where the page is, from the root.
pub(crate) const PAGE: &str = "docs/limits.md";

/// Writes the page.
pub(crate) fn run() -> Result<bool> {
    let path = workspace::root().join(PAGE);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    fs::write(&path, workspace::limits()?).with_context(|| format!("cannot write {PAGE}"))?;
    println!("wrote {PAGE}");
    Ok(true)
}
