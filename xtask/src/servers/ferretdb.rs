//! FerretDB, which speaks MongoDB's wire protocol, built from the Go module in `tests/ferretdb`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, bail};

use super::{
    process::{Server, free_port, greets},
    serial_proxy::SerialProxy,
};
use crate::process::{exists, program, root, run, target};

/// What it says it is; it does not start without being told.
const VERSION: &str = "v1.24.2";
/// The module's package with the command.
const COMMAND: &str = "github.com/FerretDB/FerretDB/cmd/ferretdb";

/// A server behind its proxy.
pub(super) struct FerretDb {
    proxy: SerialProxy,
    _server: Server,
}

impl FerretDb {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let binary = binary()?;
        std::fs::create_dir_all(folder)?;
        let port = free_port()?;
        let mut command = Command::new(binary);
        command
            .current_dir(folder)
            .args(["--handler=sqlite", "--debug-addr=-", "--telemetry=disable", "--log-level=warn"])
            .arg(format!("--sqlite-url=file:{}/", folder.display()))
            .arg(format!("--listen-addr=127.0.0.1:{port}"))
            .arg(format!("--state-dir={}", folder.display()));
        let mut server = Server::spawn("FerretDB", &command, folder)?;
        // The protocol has no greeting: accepting connections is being ready.
        server.wait(Duration::from_secs(20), || greets(port, b"", b""))?;
        Ok(Self { proxy: SerialProxy::start(port)?, _server: server })
    }

    pub(super) fn url(&self) -> String {
        format!("mongodb://127.0.0.1:{}/", self.proxy.port())
    }
}

/// Builds the server unless this version of the module has been built.
fn binary() -> Result<PathBuf> {
    let module = root().join("tests/ferretdb");
    let folder = target().join("ferretdb");
    let binary = folder.join("ferretdb");
    let wanted = std::fs::read(module.join("go.sum"))?;
    if binary.exists() && std::fs::read(folder.join("built.sum")).is_ok_and(|is| is == wanted) {
        return Ok(binary);
    }
    if !exists_go() {
        bail!(
            "Go 1.24 or later is needed to build FerretDB, the MongoDB of the tests. Install it, or \
             run a MongoDB (docker run --rm -p 27017:27017 mongo:8) and set \
             MONGO_URI=mongodb://127.0.0.1:27017/"
        );
    }
    println!("Building FerretDB {VERSION} (once; some two minutes)");
    std::fs::create_dir_all(&folder)?;
    for name in ["go.mod", "go.sum"] {
        std::fs::copy(module.join(name), folder.join(name))?;
    }
    let go = |arguments: &[&str]| run(program("go").args(arguments).current_dir(&folder));
    go(&["mod", "vendor"])?;
    let version = folder.join("vendor/github.com/FerretDB/FerretDB/build/version/version.txt");
    std::fs::write(version, VERSION)?;
    go(&["build", "-mod=vendor", "-o", "ferretdb", COMMAND])?;
    std::fs::write(folder.join("built.sum"), wanted)?;
    Ok(binary)
}

/// Go has a command for its version, not an option.
fn exists_go() -> bool {
    exists("go") || program("go").arg("version").output().is_ok_and(|it| it.status.success())
}
