//! The acts, in order. Each says what a person does, has it done, and checks what came of it.
mod administrator;
mod cluster;
mod custodian;
mod foreign;
mod key_manager;
mod others;
mod setting;

use std::time::Instant;

use super::screen::Screen;
pub(super) use setting::Setting;

/// Plays all acts.
pub(super) fn play(screen: &mut Screen<'_>, setting: &Setting<'_>) -> anyhow::Result<()> {
    let started = Instant::now();
    screen.title("Privy Seal: a secret's way from Git to the cluster, on this machine")?;
    screen.say(&format!(
        "Real keys, real programs, real TLS. All files are in {}{}",
        setting.root.display(),
        if setting.keep {
            " and stay there."
        } else {
            ", which is removed at the end."
        }
    ))?;

    let fingerprint = key_manager::play(screen, setting)?;
    let sealed = custodian::play(screen, setting, &fingerprint)?;
    let foreign = foreign::play(screen, setting)?;
    let mut site = administrator::play(screen, setting)?;
    cluster::play(screen, setting, &mut site, &sealed, &foreign)?;
    others::play(screen, setting, &mut site, &sealed)?;

    screen.gap()?;
    screen.title(&format!(
        "All {} claims held, in {:.1} s.",
        screen.claims(),
        started.elapsed().as_secs_f32()
    ))?;
    on_a_cluster(screen)?;
    if setting.keep {
        screen.say(&format!("Kept: {}", setting.root.display()))?;
    }
    Ok(())
}

fn on_a_cluster(screen: &mut Screen<'_>) -> anyhow::Result<()> {
    screen.gap()?;
    screen.title("The same on a cluster (Kubernetes 1.30 or later; more in docs/operators.md)")?;
    screen.say("1. Key manager: make the key on the host of the webhook, commit its card.")?;
    screen.command("privy key generate --out ~/payments.pem --card keys/payments.card.json")?;
    screen.say(
        "2. Administrator: run the webhook beside the API server, as the file above configures it.",
    )?;
    screen.command("privy-webhook check-config --config webhook.yaml")?;
    screen.command("privy-webhook --config webhook.yaml")?;
    screen.say(
        "3. Administrator: give the API server its client certificate, then register the webhook and the backstop.",
    )?;
    screen
        .command("kube-apiserver ... --admission-control-config-file=/etc/privy/admission.yaml")?;
    screen.command("kubectl apply -f examples/cluster/")?;
    screen.say("4. Custodian: trust the key once, seal, commit. kubectl, Helm, Flux and Argo CD apply as before.")?;
    screen.command("privy key trust keys/payments.card.json")?;
    screen.command("privy seal -i payments/db.yaml")
}
