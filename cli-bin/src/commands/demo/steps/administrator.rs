//! Act 4: the webhook, as a process of its own.
use std::net::SocketAddr;

use super::foreign;
use super::setting::Setting;
use crate::commands::demo::certificates::Authority;
use crate::commands::demo::http::TlsCaller;
use crate::commands::demo::review_sender::ReviewSender;
use crate::commands::demo::transcript::Transcript;
use crate::commands::demo::{files, webhook};

/// The name in the API server's client certificate.
pub(super) const CALLER: &str = "kube-apiserver";

/// The cluster: a running webhook and who may call it.
pub(super) struct DemoCluster {
    /// The process.
    pub(super) webhook: webhook::Webhook,
    /// The cluster's certificate authority.
    pub(super) authority: Authority,
    /// The only caller that the webhook serves.
    pub(super) review_sender: ReviewSender,
}

/// Writes certificates and configuration and starts the webhook.
pub(super) fn run(
    transcript: &mut Transcript<'_>,
    setting: &Setting<'_>,
) -> anyhow::Result<DemoCluster> {
    transcript.step(4, "The cluster administrator runs the webhook")?;
    let folder = setting.cluster();
    let authority = Authority::new("privy demo cluster CA")?;
    authority.write(&folder.join("ca.crt"))?;
    authority.write_server(&folder.join("tls.crt"), &folder.join("tls.key"))?;

    transcript.command("privy-webhook --config webhook.yaml")?;
    let webhook = webhook::start(setting.webhook, &folder, setting.cleanup, configuration)?;
    for line in files::read(&folder.join("webhook.yaml"))?.lines() {
        transcript.quote(line)?;
    }
    let ready = webhook.ready_after.as_millis();
    transcript.claim(
        true,
        &format!(
            "a process of its own, ready after {ready} ms, behind TLS 1.3 at {}",
            webhook.address
        ),
    )?;

    let identity = authority.client(CALLER)?;
    let caller = TlsCaller::new(webhook.address, authority.certificate(), Some(&identity))?;
    Ok(DemoCluster {
        webhook,
        authority,
        review_sender: ReviewSender::new(caller),
    })
}

fn configuration(address: SocketAddr, health: SocketAddr) -> String {
    format!(
        "\
version: 1
listen: {address}
health: {{ listen: {health} }}
tls: {{ certificate: tls.crt, privateKey: tls.key }}
callers:
  mtls: {{ clientCa: ca.crt, allowedNames: [{CALLER}] }}
keys:
  - name: payments
    publicKey: ../repository/keys/payments.card.json
    namespaces: [payments]
    unwrap: [\"file:../key-manager/payments.pem\"]
  - name: orders
    publicKey: ../repository/{}
    aliases: [orders-2024]
    namespaces: [payments]
    allowUnbound: true
    unwrap: [\"file:orders.jwk.json\"]
",
        foreign::PUBLIC_KEY
    )
}
