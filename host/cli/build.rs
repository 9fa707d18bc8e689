//! Lists the web client's files, so that they become part of the binary.

use std::{
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

fn main() {
    let web =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../web");
    println!("cargo::rerun-if-changed={}", web.display());
    let mut files = Vec::new();
    collect(&web, &mut files);
    files.sort();
    let mut code = String::from("&[\n");
    for file in files {
        let Ok(name) = file.strip_prefix(&web) else { continue };
        let name = name.display().to_string();
        if name.ends_with(".md") || name.ends_with(".d.ts") {
            continue;
        }
        let _ = writeln!(
            code,
            "    ({:?}, include_bytes!({:?})),",
            format!("/{name}"),
            file.display().to_string()
        );
    }
    code.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("web_files.rs");
    if let Err(error) = fs::write(&out, code) {
        println!("cargo::error=the web client's file list can't be written: {error}");
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
}
