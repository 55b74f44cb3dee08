//! What the process may do: gives up what the daemon never needs, and takes the descriptors it does need. The rest of
//! the sandbox is the service manager's (`etc/wayhouse.service`).

use rustix::process::{Resource, getrlimit, setrlimit};

/// Gives up the gain of privileges by running other programs.
pub fn drop_unneeded() {
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        tracing::warn!(%error, "privileges can still be gained by running other programs");
    }
}

/// Open files beside connections: sockets, the store, the page.
const OTHER_FILES: usize = 512;

/// Allows as many open files as the system lets us: connections and the store's files add up to more than the usual
/// soft limit, which exists for programs that use `select`. Tells when it is not enough for so many connections.
pub fn raise_open_files(connections: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the number of open files stays as it is");
    }
    let needed = (connections + OTHER_FILES) as u64;
    if let Some(allowed) = getrlimit(Resource::Nofile).current
        && allowed < needed
    {
        tracing::info!(
            allowed,
            needed,
            "open files are fewer than the settings allow connections: further ones will have to wait"
        );
    }
}
