//! The hidden `pingtalk compile`: compiles one component in a process of its own, so that a component
//! that takes for ever, or all memory, costs its deployment and nothing else.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use pingtalk_runtime::{Compiler, EngineConfig};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::priority::give_way;

/// Memory that it may take, in bytes.
const MEMORY: u64 = 2 * 1024 * 1024 * 1024;
/// Its name on the command line.
const COMMAND: &str = "compile";
const GENTLY: &str = "--gently";

/// What the host compiles with: this very program. None where it can't be found.
pub(crate) fn compiler(time: Duration) -> Option<Compiler> {
    // On Linux this is the program that runs, even if its file was replaced meanwhile.
    let program = match cfg!(target_os = "linux") {
        true => Ok(PathBuf::from("/proc/self/exe")),
        false => std::env::current_exe(),
    };
    match program {
        Ok(program) => {
            let arguments = vec![COMMAND.to_owned()];
            let gently =
                cfg!(target_os = "linux").then(|| [COMMAND, GENTLY].map(str::to_owned).into());
            Some(Compiler { program, arguments, gently, time })
        }
        Err(error) => {
            tracing::warn!(%error, "components are compiled in this process: can't find its program");
            None
        }
    }
}

/// Compiles from standard input to standard output. On standard error stands the reason alone: the
/// host passes it on to whoever deploys.
pub(crate) fn run(gently: bool) -> ExitCode {
    if gently {
        give_way();
    }
    let limit = Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    // A system without this bound has the one on time.
    let _ = setrlimit(Resource::Data, limit);
    match pingtalk_runtime::compile_one(&EngineConfig::default()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}
