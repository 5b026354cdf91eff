//! A second mutating webhook, as someone else runs one beside ours: a process of its own. It answers every review with
//! the JSON Patch of a file and writes down what it was shown.
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::sealing::b64;

/// The process: address, certificate, key, patch.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    let [address, certificate, key, patch] = arguments.as_slice() else {
        eprintln!("usage: e2e-cluster second-webhook ADDRESS CERTIFICATE KEY PATCH");
        return ExitCode::from(2);
    };
    match serve(address, certificate, key, patch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &Path, certificate: &Path, key: &Path, patch: &Path) -> Result<()> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let config = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()?
    .with_no_client_auth()
    .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    let config = Arc::new(config);
    let listener = TcpListener::bind(address.to_str().context("an address")?)?;
    for connection in listener.incoming() {
        let (config, patch) = (Arc::clone(&config), patch.to_owned());
        std::thread::spawn(move || {
            if let Err(error) = connection
                .map_err(Into::into)
                .and_then(|stream| answer_all(stream, config, &patch))
            {
                eprintln!("connection: {error:#}");
            }
        });
    }
    Ok(())
}

/// Requests of one connection, until the API server closes it.
fn answer_all(stream: TcpStream, config: Arc<ServerConfig>, patch: &Path) -> Result<()> {
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config)?, stream));
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let review: Value = serde_json::from_slice(&body)?;
        println!("{}", review["request"]);
        let answer =
            json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
            "uid": review["request"]["uid"], "allowed": true,
            "patchType": "JSONPatch", "patch": b64(std::fs::read(patch)?) } })
            .to_string();
        write!(
            stream.get_mut(),
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        )?;
        stream.get_mut().flush()?;
    }
}
