//! The rules of a `.privy.yaml`, and the two layouts.
use clap::ValueEnum;

/// What one rule says of the files that its paths fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Patterns of paths, from the folder of the `.privy.yaml`.
    pub paths: Vec<String>,
    /// Files of the keys to seal for, from the same folder.
    pub keys: Vec<String>,
    /// Namespace of manifests that do not name theirs.
    pub namespace: Option<String>,
    /// Name of the Secret, for single values and for files that `privy set` makes.
    pub name: Option<String>,
    /// Clusters that the values are for.
    pub clusters: Vec<String>,
    /// Where envelopes are in the manifest.
    pub layout: Option<Layout>,
    /// File of the public key whose owner must have signed the cards of the keys, from the same folder.
    pub signer: Option<String>,
    /// Whether every value must be signed by a custodian.
    pub signed: bool,
}

/// The two layouts of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// In `data` or `stringData`, in place of the value
    Field,
    /// In the annotation `privyseal.dev/data.KEY`: Argo CD then sees no difference to the cluster
    Annotation,
}
