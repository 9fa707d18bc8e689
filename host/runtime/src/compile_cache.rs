//! Compiled components on disk, by digest and engine version.
//!
//! Compiled code runs with the host's rights, so a file is used only when we wrote it: each is
//! signed with a key that lies beside it, readable by the host's user alone, and verified before
//! anything else looks at it. Whatever is wrong with a file, the answer is to compile again.

// `Component::deserialize` trusts its input: the signature shows that it is our own output.
#![allow(unsafe_code)]

use std::{
    fs::{self, DirBuilder, OpenOptions},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

/// SHA-256 of a component.
pub(crate) type Digest = [u8; 32];

const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
/// Compiled code is three to four times the size of a component; no file of ours is larger.
const MAX_FILE_BYTES: u64 = 512 * 1024 * 1024;

/// The digest of a component's bytes.
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// A directory of compiled components.
pub(crate) struct CompileCache {
    dir: PathBuf,
    key: [u8; KEY_BYTES],
    /// Which engine and settings the code was compiled for.
    version: u64,
}

impl CompileCache {
    /// Opens a directory, and makes it and its key when they are missing.
    pub(crate) fn open(dir: &Path, engine: &wasmtime::Engine) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { dir: dir.to_owned(), key: key(&dir.join("key"))?, version: hasher.finish() })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(format!("{}-{:016x}.cwasm", hex(digest), self.version))
    }

    fn mac(&self, digest: &Digest, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(&self.version.to_be_bytes());
        mac.update(digest);
        mac.update(code);
        Some(mac)
    }

    /// The compiled component, if we have it and it is ours.
    pub(crate) fn get(&self, engine: &wasmtime::Engine, digest: &Digest) -> Option<Component> {
        let path = self.path(digest);
        let file = read(&path).ok()?;
        match self.verify(digest, &file) {
            Some(code) => {
                // SAFETY: the signature proves that `put` wrote these bytes, which it got from
                // `Component::serialize`. That the engine fits is checked by `deserialize` itself.
                match unsafe { Component::deserialize(engine, code) } {
                    Ok(component) => return Some(component),
                    Err(error) => tracing::warn!(%error, "a compiled component does not load"),
                }
            }
            None => tracing::warn!(file = ?path.file_name(), "a compiled component is not ours"),
        }
        None
    }

    fn verify<'a>(&self, digest: &Digest, file: &'a [u8]) -> Option<&'a [u8]> {
        let (mac, code) = file.split_at_checked(MAC_BYTES)?;
        self.mac(digest, code)?.verify_slice(mac).ok()?;
        Some(code)
    }

    /// Keeps a compiled component. Losing it costs a compilation, so errors are only logged.
    pub(crate) fn put(&self, digest: &Digest, component: &Component) {
        if let Err(error) = self.write(digest, component) {
            tracing::warn!(%error, "a compiled component was not kept");
        }
    }

    fn write(&self, digest: &Digest, component: &Component) -> io::Result<()> {
        let code = component.serialize().map_err(io::Error::other)?;
        let mac = self.mac(digest, &code).ok_or_else(|| io::Error::other("no key"))?;
        let path = self.path(digest);
        let new = beside(&path);
        write_new(&new, &[&mac.finalize().into_bytes(), &code])?;
        fs::rename(&new, &path)
    }
}

/// Loads what our own compiler's process has just made.
pub(crate) fn deserialize(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes come over a pipe from the program that the host's configuration names, which
    // is the same build and got them from `precompile_component`. That the engine fits is checked.
    unsafe { Component::deserialize(engine, code) }
}

/// A name beside a file that nobody else uses: hosts may share the directory.
fn beside(path: &Path) -> PathBuf {
    path.with_extension(format!("{:016x}.new", rand::random::<u64>()))
}

fn write_new(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = parts.iter().try_for_each(|part| file.write_all(part));
    if written.is_err() {
        // A full disk should not also keep the pieces.
        let _ = fs::remove_file(path);
    }
    written
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The directory's key; made on first use. A link appears with its content or not at all, so that
/// of several hosts that start at once one makes the key and the others read it whole.
fn key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    if !path.try_exists()? {
        let new = beside(path);
        let key: [u8; KEY_BYTES] = rand::random();
        write_new(&new, &[&key])?;
        let linked = fs::hard_link(&new, path);
        fs::remove_file(&new)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let mut key = [0; KEY_BYTES];
    fs::File::open(path)?.read_exact(&mut key)?;
    Ok(key)
}

/// A digest from its hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if text.len() != digest.len() * 2 {
        return None;
    }
    for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(digest)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
