//! Where the webhook runs, beside the cluster: under a name outside of it, or on the API server's own host.
use std::net::{TcpStream, UdpSocket};

use anyhow::{Result, ensure};

use super::callers::{direct, holds_the_value};
use crate::lab::Lab;
use crate::sealing::{annotated, assert_value, secret};

/// The webhook is no pod: a Service of type ExternalName leads out of the cluster to where it runs.
pub fn a_farm_outside_is_reached_by_an_external_name(lab: &Lab) -> Result<()> {
    let service = lab
        .api("admin")?
        .get("/api/v1/namespaces/privy-seal/services/privy-webhook")?
        .accepted()?;
    ensure!(
        service["spec"]["type"] == "ExternalName"
            && service["spec"]["externalName"] == lab.host.as_str(),
        "{service}"
    );
    let ns = lab.namespace("farm")?;
    let text = |name: &str| lab.key.seal(&format!("{ns}/{name}/password"), b"tiger");
    for manifest in [
        secret(&ns, "field", &[("password", &text("field"))]),
        annotated(&ns, "note", &[("password", &text("note"))]),
    ] {
        assert_value(&lab.accepts(&manifest)?, "password", "tiger")?;
    }
    Ok(())
}

/// With `loopback`, anyone who is on the host is served, no matter who: no certificate, no name, no right is asked for.
/// And no one else finds anything that listens.
pub fn everybody_on_this_host_may_ask_and_nobody_else_can(lab: &Lab) -> Result<()> {
    let stranger = lab.webhook_authority.client("stranger", &[])?;
    for identity in [None, Some(&stranger)] {
        let answer = direct(lab, identity, "/mutate", &[])?;
        ensure!(
            answer.0 == 200 && holds_the_value(&answer.1),
            "who is on this host is not served any more; the documents say so: {answer:?}"
        );
    }
    // Over an interface that others reach, nothing answers.
    let probe = UdpSocket::bind("0.0.0.0:0")?;
    let outside = probe
        .connect("192.0.2.1:9")
        .and_then(|()| probe.local_addr())
        .map(|address| address.ip());
    if let Ok(address) = outside
        && !address.is_loopback()
    {
        ensure!(
            TcpStream::connect((address, lab.webhook_port)).is_err(),
            "{address} answers"
        );
    }
    // A configuration that would listen there is none.
    let wide = lab.folder.join("wide.yaml");
    let text = lab
        .configuration("")
        .replacen("listen: 127.0.0.1", "listen: 0.0.0.0", 1);
    std::fs::write(&wide, text)?;
    let output = std::process::Command::new(&lab.tools.privy_webhook)
        .arg("check-config")
        .arg("--config")
        .arg(&wide)
        .output()?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        !output.status.success() && said.contains("loopback"),
        "{said}"
    );
    Ok(())
}
