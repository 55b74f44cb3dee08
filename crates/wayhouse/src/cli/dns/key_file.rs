//! The key that names registered by this user belong to: made once, kept where only the user reads it (SR5, SR33).

use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use wayhouse_proto::crypto::{Algorithm, SECRET_KEY_OCTETS, SigningKey};

use crate::cli::exit::Fault;
use crate::cli::printer::hexadecimal;

/// Octets of a file that could be a key, its end of line included.
const FILE_OCTETS_MAX: usize = 2 * SECRET_KEY_OCTETS + 2;

/// Where the key is unless told otherwise.
///
/// # Errors
/// Misuse when the user has no home.
pub(super) fn default_path() -> Result<PathBuf, Fault> {
    let set = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    data.map(|data| data.join("wayhouse-publish/key"))
        .ok_or_else(|| Fault::misuse("there is no home to keep the key in").hint("name a file with --key"))
}

/// The key of a file, which is made where there is none. Tells whether it was made.
///
/// # Errors
/// Misuse when the file cannot be read or written, or holds no key.
pub(super) fn load_or_make(path: &Path) -> Result<(SigningKey, bool), Fault> {
    let wrong = |error: io::Error| {
        Fault::misuse(format!("cannot use the key in {}: {error}", path.display())).hint("name another file with --key")
    };
    match std::fs::read(path) {
        Ok(octets) => parse(&octets).map(|key| (key, false)).ok_or_else(|| {
            Fault::misuse(format!("{} holds no key", path.display()))
                .hint("a key is 64 hexadecimal digits; name another file with --key")
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match make(path) {
            // Somebody else made it in the same moment: theirs counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let octets = std::fs::read(path).map_err(wrong)?;
                parse(&octets).map(|key| (key, false)).ok_or_else(|| wrong(io::ErrorKind::InvalidData.into()))
            }
            made => made.map(|key| (key, true)).map_err(wrong),
        },
        Err(error) => Err(wrong(error)),
    }
}

/// Erases the key: names registered with it cannot be changed any more, and what is registered next belongs to another
/// one.
///
/// # Errors
/// Misuse when there is one that cannot be erased.
pub(super) fn forget(path: &Path) -> Result<bool, Fault> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Fault::misuse(format!("cannot erase {}: {error}", path.display()))),
    }
}

fn parse(octets: &[u8]) -> Option<SigningKey> {
    if octets.len() > FILE_OCTETS_MAX {
        return None;
    }
    let digits = std::str::from_utf8(octets).ok()?.trim_end();
    if digits.len() != 2 * SECRET_KEY_OCTETS || !digits.is_ascii() {
        return None;
    }
    let mut secret = [0; SECRET_KEY_OCTETS];
    for (index, octet) in secret.iter_mut().enumerate() {
        *octet = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok()?;
    }
    SigningKey::new(Algorithm::EcdsaP256Sha256, &secret)
}

fn make(path: &Path) -> io::Result<SigningKey> {
    let (key, secret) = loop {
        let mut secret = [0; SECRET_KEY_OCTETS];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        // One in four thousand million is no key.
        if let Some(key) = SigningKey::new(Algorithm::EcdsaP256Sha256, &secret) {
            break (key, secret);
        }
    };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    // Under another name first: whatever happens meanwhile, nobody finds half a key.
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let _ = std::fs::remove_file(&draft);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let made = writeln!(file, "{}", hexadecimal(&secret))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::hard_link(&draft, path));
    std::fs::remove_file(&draft)?;
    made?;
    // The names are lost with the key, for weeks: its own name is on disk before anything is registered.
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests;
