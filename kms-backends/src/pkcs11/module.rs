//! Loads a module: once for each path, and never one that another user could have put there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use super::options::settings;
use crate::service::connect_error::ConnectError;
use crate::sync::lock;

/// `C_Initialize` is for a process, not for a key: a second one is an error.
static LOADED: Mutex<Option<HashMap<PathBuf, Pkcs11>>> = Mutex::new(None);

/// The module at `path`, initialized.
pub(super) fn load(path: &Path) -> Result<Pkcs11, ConnectError> {
    let mut loaded = lock(&LOADED);
    let loaded = loaded.get_or_insert_with(HashMap::new);
    if let Some(module) = loaded.get(path) {
        return Ok(module.clone());
    }
    check_module_file(path)?;
    let unusable = |error: Error| {
        settings(format!(
            "the module {} cannot be used: {error}",
            path.display()
        ))
    };
    let module = Pkcs11::new(path).map_err(unusable)?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Something else in this process uses it as well.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(unusable(error)),
    }
    loaded.insert(path.to_owned(), module.clone());
    Ok(module)
}

/// Checks the file: its code will run with all our rights.
fn check_module_file(path: &Path) -> Result<(), ConnectError> {
    let refuse = |why: &str| Err(settings(format!("the module {} {why}", path.display())));
    if !path.is_absolute() {
        return refuse("is not an absolute path");
    }
    let Ok(metadata) = path.metadata() else {
        return refuse("cannot be read");
    };
    if !metadata.is_file() {
        return refuse("is not a regular file");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        const ROOT: u32 = 0;
        const OTHERS_WRITE: u32 = 0o022;
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != ROOT && metadata.uid() != user {
            return refuse("belongs to another user, who could replace it");
        }
        if metadata.mode() & OTHERS_WRITE != 0 {
            return refuse("can be written by others; restrict it with `chmod go-w`");
        }
    }
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn code_that_others_can_change_is_not_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("module.so");
        std::fs::write(&path, b"no library").unwrap();
        for mode in [0o775, 0o757, 0o777] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = load(&path).unwrap_err().to_string();
            assert!(error.contains("written by others"), "{error}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = load(&path).unwrap_err().to_string();
        assert!(error.contains("cannot be used"), "{error}");
    }

    #[test]
    fn a_module_is_a_file_at_an_absolute_path() {
        for (path, why) in [
            ("module.so", "absolute"),
            ("/", "not a regular file"),
            ("/nonexistent/module.so", "cannot be read"),
        ] {
            let error = load(Path::new(path)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
