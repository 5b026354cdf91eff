//! The acts, in order. Each says what a person does, has it done, and checks what came of it.
mod administrator;
mod attackers;
mod cluster;
mod custodian;
mod foreign;
mod key_manager;
mod setting;

use std::time::Instant;

use super::transcript::Transcript;
pub(super) use setting::Setting;

/// Plays all acts.
pub(super) fn run(transcript: &mut Transcript<'_>, setting: &Setting<'_>) -> anyhow::Result<()> {
    let started = Instant::now();
    transcript.title("Privy Seal: a secret's way from Git to the cluster, on this machine")?;
    transcript.say(&format!(
        "Real keys, real programs, real TLS. All files are in {}{}",
        setting.root.display(),
        if setting.keep {
            " and stay there."
        } else {
            ", which is removed at the end."
        }
    ))?;

    let fingerprint = key_manager::run(transcript, setting)?;
    let sealed = custodian::run(transcript, setting, &fingerprint)?;
    let foreign = foreign::run(transcript, setting)?;
    let mut site = administrator::run(transcript, setting)?;
    cluster::run(transcript, setting, &mut site, &sealed, &foreign)?;
    attackers::run(transcript, setting, &mut site, &sealed)?;

    transcript.gap()?;
    transcript.title(&format!(
        "All {} claims held, in {:.1} s.",
        transcript.claims(),
        started.elapsed().as_secs_f32()
    ))?;
    on_a_cluster(transcript)?;
    if setting.keep {
        transcript.say(&format!("Kept: {}", setting.root.display()))?;
    }
    Ok(())
}

fn on_a_cluster(transcript: &mut Transcript<'_>) -> anyhow::Result<()> {
    transcript.gap()?;
    transcript
        .title("The same on a cluster (Kubernetes 1.30 or later; more in docs/operators.md)")?;
    transcript.say("1. Key manager: make the key on the host of the webhook, commit its card.")?;
    transcript.command("privy key generate --out ~/payments.pem --card keys/payments.card.json")?;
    transcript.say(
        "2. Administrator: run the webhook beside the API server, as the file above configures it.",
    )?;
    transcript.command("privy-webhook check-config --config webhook.yaml")?;
    transcript.command("privy-webhook --config webhook.yaml")?;
    transcript.say(
        "3. Administrator: give the API server its client certificate, then register the webhook and the backstop.",
    )?;
    transcript
        .command("kube-apiserver ... --admission-control-config-file=/etc/privy/admission.yaml")?;
    transcript.command("kubectl apply -f examples/cluster/")?;
    transcript.say("4. Custodian: trust the key once, seal, commit. kubectl, Helm, Flux and Argo CD apply as before.")?;
    transcript.command("privy key trust keys/payments.card.json")?;
    transcript.command("privy seal -i payments/db.yaml")
}
