//! RabbitMQ, from Debian's packages: a node of our own with its own port mapper, so that nothing is
//! shared with a broker that may run on the machine.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, bail};

use super::process::{Server, free_port, greets};
use crate::{
    process::{exists, program},
    setup,
};

/// The script that runs in the foreground as whoever calls it.
const SCRIPT: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// Virtual hosts besides `/`: one for each file of end-to-end tests that wants queues of its own.
const VIRTUAL_HOSTS: u32 = 8;
/// It takes about 7 s; a cold machine more.
const START_TIME: Duration = Duration::from_secs(90);

/// A broker, perhaps still starting.
pub(super) struct RabbitMq {
    // The node before its port mapper.
    server: Server,
    _port_mapper: Server,
    port: u16,
}

impl RabbitMq {
    /// Starts the broker; [`RabbitMq::wait`] waits for it.
    pub(super) fn launch(folder: &Path) -> Result<Self> {
        let script = script()?;
        std::fs::create_dir_all(folder)?;
        let (port, mapper_port, nodes_port) = (free_port()?, free_port()?, free_port()?);
        let mut mapper = Command::new("epmd");
        mapper.args(["-address", "127.0.0.1", "-port", &mapper_port.to_string()]);
        let port_mapper = Server::spawn("epmd", &mapper, folder)?;

        let configuration = folder.join("rabbitmq.conf");
        let definitions = folder.join("definitions.json");
        std::fs::write(&definitions, self::definitions())?;
        std::fs::write(
            &configuration,
            format!("load_definitions = {}\nlog.console = true\n", definitions.display()),
        )?;
        let mut command = Command::new(script);
        command
            .current_dir(folder)
            .env("HOME", folder)
            // The script then becomes the node, instead of a parent that our signals would end alone.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env("RABBITMQ_NODENAME", format!("pingtalk-test-{port}@localhost"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port.to_string())
            .env("RABBITMQ_DIST_PORT", nodes_port.to_string())
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            )
            .env("RABBITMQ_CONFIG_FILE", &configuration)
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", folder.join("log"))
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", mapper_port.to_string());
        let server = Server::spawn("RabbitMQ", &command, folder)?;
        Ok(Self { server, _port_mapper: port_mapper, port })
    }

    pub(super) fn wait(mut self) -> Result<Self> {
        let port = self.port;
        // AMQP 0-9-1: to the protocol header the server answers with a method frame (1) on
        // channel 0.
        self.server.wait(START_TIME, || greets(port, b"AMQP\0\0\x09\x01", &[1, 0, 0]))?;
        Ok(self)
    }

    pub(super) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }
}

fn script() -> Result<PathBuf> {
    let packaged = PathBuf::from(SCRIPT);
    if !packaged.exists() && exists("apt-get") {
        // `redis-server --version` answers; `rabbitmq-server --version` would start a broker.
        setup::install(&["rabbitmq-server"])?;
    }
    if packaged.exists() {
        return Ok(packaged);
    }
    let found = program("sh").args(["-c", "command -v rabbitmq-server"]).output()?;
    let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    if path.is_empty() {
        bail!(
            "RabbitMQ is needed and could not be installed. Install it by hand (on Debian: apt-get \
             install rabbitmq-server), or run one in a container (docker run --rm -p 5672:5672 \
             rabbitmq:4) and set PINGTALK_TEST_RABBITMQ=amqp://guest:guest@127.0.0.1:5672/%2f; it \
             needs the virtual hosts e2e-1 to e2e-{VIRTUAL_HOSTS} besides /"
        );
    }
    Ok(path.into())
}

/// A user and the virtual hosts, as RabbitMQ's definition files have them.
fn definitions() -> String {
    let hosts: Vec<String> = std::iter::once("/".to_owned())
        .chain((1..=VIRTUAL_HOSTS).map(|number| format!("e2e-{number}")))
        .collect();
    serde_json::json!({
        "users": [{ "name": "guest", "password": "guest", "tags": "administrator" }],
        "vhosts": hosts.iter().map(|name| serde_json::json!({ "name": name })).collect::<Vec<_>>(),
        "permissions": hosts.iter().map(|name| serde_json::json!({
            "user": "guest", "vhost": name, "configure": ".*", "write": ".*", "read": ".*",
        })).collect::<Vec<_>>(),
    })
    .to_string()
}
