//! `privy render`: the manifests of the webhook, as plain YAML for anyone who applies them.
//!
//! The templates are real manifests in `deploy/manifests/`. What they hold is what is printed, but for the few values
//! that a cluster has of its own; each of these is in the template as a default, and a default that is no longer
//! there is a mistake that the tests find.

mod checks;
mod inputs;
mod template;

use std::fmt::Write as _;

pub use crate::cli::render::{CallerChoice, LegacyTokens, ManifestPart, RenderArgs};

use crate::failure::{Exit, Failure};
use crate::io::Io;
use inputs::Inputs;
use template::Template;

/// Prints the manifests in the order in which they are to be applied.
///
/// # Errors
/// Exit 2 for files that cannot be read and flags that contradict each other.
pub fn run(args: &RenderArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    checks::contradictions(args)?;
    let inputs = Inputs::read(args)?;
    for grant in args
        .unseal
        .iter()
        .filter(|grant| grant.namespace == grant.account_namespace)
    {
        io.say(format_args!(
            "warning: anyone who runs pods in namespace {0}, or creates tokens there, may then unseal in it as {0}/{1}; put the deployer into a namespace of its own: --unseal {0}={0}-ci/{1}",
            grant.namespace, grant.service_account
        ));
    }
    let needs_configuration = args.only.is_none_or(|only| only == ManifestPart::Webhook)
        && args.url.is_none()
        && args.external_name.is_none();
    if needs_configuration && inputs.configuration.is_none() {
        io.say(
            "warning: the webhook's configuration is not among these manifests, and its pods do not start without it; name \
             the keys with --card FILE or the configuration with --config FILE",
        );
    }
    let mut out = String::new();
    for (name, text) in manifests(args, &inputs) {
        let _ = write!(out, "---\n# {name}\n{}", text.trim_end_matches('\n'));
        out.push('\n');
    }
    io.answer(out.as_bytes())?;
    Ok(Exit::Done)
}

/// Every manifest that `args` ask for: its file's name and its text.
fn manifests(args: &RenderArgs, inputs: &Inputs) -> Vec<(&'static str, String)> {
    let wanted = |part: ManifestPart| args.only.is_none_or(|only| only == part);
    let in_cluster = args.url.is_none() && args.external_name.is_none();
    let port = args.port.unwrap_or(443);
    let mut all = Vec::new();
    if wanted(ManifestPart::Backstop) {
        all.push(Template::BACKSTOP.render());
    }
    if wanted(ManifestPart::LegacyTokens) && args.legacy_tokens == LegacyTokens::Refuse {
        all.push(Template::LEGACY_TOKENS.render());
    }
    if wanted(ManifestPart::Webhook) {
        if args.url.is_none() {
            all.push(Template::NAMESPACE.namespace(&args.namespace).render());
        }
        if in_cluster {
            all.push(Template::IDENTITY.namespace(&args.namespace).render());
            if args.callers == CallerChoice::Aggregated {
                all.push(
                    Template::AGGREGATED_IDENTITY
                        .namespace(&args.namespace)
                        .render(),
                );
            }
            if args.subject_access_review {
                all.push(
                    Template::SUBJECT_ACCESS_REVIEW
                        .namespace(&args.namespace)
                        .render(),
                );
            }
            let configuration = inputs
                .configuration
                .as_ref()
                .map(|files| template::configuration(&args.namespace, files));
            let token = args.callers == CallerChoice::Aggregated || args.subject_access_review;
            let deployment = Template::DEPLOYMENT
                .namespace(&args.namespace)
                .image(args.image.as_deref())
                .token(token)
                .checksum(configuration.as_deref())
                .render();
            all.extend(configuration.map(|text| ("30-configuration.yaml", text)));
            all.push(deployment);
            all.push(
                Template::SERVICE
                    .namespace(&args.namespace)
                    .port(port)
                    .render(),
            );
            all.push(Template::NETWORK_POLICY.namespace(&args.namespace).render());
        }
        if let Some(host) = &args.external_name {
            all.push(
                Template::EXTERNAL_SERVICE
                    .namespace(&args.namespace)
                    .host(host)
                    .port(port)
                    .render(),
            );
        }
        if args.callers == CallerChoice::Aggregated {
            all.push(
                Template::API_SERVICE
                    .namespace(&args.namespace)
                    .port(port)
                    .authority(inputs.authority())
                    .render(),
            );
        }
    }
    if wanted(ManifestPart::Webhook) || wanted(ManifestPart::Registration) {
        all.push(registration(args, inputs));
    }
    let mut grants: Vec<_> = args.unseal.iter().collect();
    let mut seen = std::collections::HashSet::new();
    grants.retain(|grant| seen.insert(*grant));
    for grant in grants {
        if wanted(ManifestPart::Webhook) || wanted(ManifestPart::Rights) {
            all.push(Template::RIGHTS.grant(grant).render());
        }
    }
    all
}

fn registration(args: &RenderArgs, inputs: &Inputs) -> (&'static str, String) {
    let mut template = Template::REGISTRATION;
    if let Some(must) = &args.must_be_sealed {
        template = template.must_be_sealed(must);
    }
    template = template.exempt(&args.namespace, &args.exempt);
    let (name, text) = match (args.callers, &args.url) {
        (CallerChoice::Aggregated, _) => template.through_the_api_server(),
        (_, Some(url)) => template.at(url).authority(inputs.authority()),
        (_, None) => template
            .namespace(&args.namespace)
            .port(args.port.unwrap_or(443))
            .authority(inputs.authority()),
    }
    .render();
    (name, text)
}
