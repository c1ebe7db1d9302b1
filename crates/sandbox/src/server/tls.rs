//! Certificates for `https` and `wss`, by an authority that is good for this machine alone.

use std::fs::Permissions;
use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// What clients have to trust.
const AUTHORITY: &str = "ca.pem";
/// What signs for it.
const AUTHORITY_KEY: &str = "ca.key";

/// Why connections cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path} cannot be written or read; give --tls another directory")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{0} holds no key; delete it, and a new authority is made")]
    Key(PathBuf),
    #[error("no certificate could be made")]
    Certificate(#[from] rcgen::Error),
    #[error("the certificate cannot be used")]
    Config(#[from] rustls::Error),
}

/// What REST and gateway listeners encrypt with.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    /// A fresh certificate for `bind` and the loopback addresses, signed by the authority in `dir`,
    /// which is made when there is none.
    ///
    /// # Errors
    /// The authority's files cannot be read or written.
    pub fn load(dir: &Path, bind: IpAddr) -> Result<Self, TlsError> {
        let key = authority_key(dir)?;
        let authority = authority()?;
        let path = dir.join(AUTHORITY);
        if !path.exists() {
            let pem = authority.self_signed(&key)?.pem();
            write(&path, &pem, 0o644, false)?;
        }
        let issuer = Issuer::new(authority, key);
        let names: Vec<String> = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
            bind,
        ]
        .iter()
        .map(IpAddr::to_string)
        .chain(["localhost".to_owned()])
        .collect();
        let mut leaf = CertificateParams::new(names)?;
        leaf.distinguished_name = named("splashtail-sandbox");
        leaf.use_authority_key_identifier_extension = true;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (leaf.not_before, leaf.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2049, 12, 31));
        let own = KeyPair::generate()?;
        let certificate = leaf.signed_by(&own, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(own.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Self(Arc::new(config)))
    }

    pub(super) fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        self.0.clone().into()
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    all.push(DnType::CommonName, name);
    all
}

/// The same for the same key: only the key is kept. It may vouch for loopback addresses and nothing
/// else, whoever gets hold of it.
fn authority() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = named("splashtail sandbox, this machine only");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                IpAddr::V6(Ipv6Addr::LOCALHOST),
                128,
            )),
        ],
        excluded_subtrees: Vec::new(),
    });
    (params.not_before, params.not_after) =
        (date_time_ymd(2020, 1, 1), date_time_ymd(2049, 12, 31));
    Ok(params)
}

/// The authority's key, made when there is none. Of two that are made at once one stays.
fn authority_key(dir: &Path) -> Result<KeyPair, TlsError> {
    let path = dir.join(AUTHORITY_KEY);
    let failed = |source| TlsError::File {
        path: path.clone(),
        source,
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    if !path.exists() {
        let key = KeyPair::generate()?;
        // What was signed with another key is worth nothing now.
        match std::fs::remove_file(dir.join(AUTHORITY)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
        write(&path, &key.serialize_pem(), 0o600, true)?;
    }
    let pem = std::fs::read_to_string(&path).map_err(failed)?;
    KeyPair::from_pem(&pem).map_err(|_| TlsError::Key(path.clone()))
}

/// Puts a whole file in place, or none. With `once`, one that is there already stays.
fn write(path: &Path, text: &str, mode: u32, once: bool) -> Result<(), TlsError> {
    let failed = |source| TlsError::File {
        path: path.to_owned(),
        source,
    };
    let dir = path.parent().unwrap_or(Path::new("."));
    // A name that nothing has: a draft may be left over, and be another name of the file itself.
    let draft = tempfile::Builder::new()
        .prefix("draft-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(dir);
    let mut draft = draft.map_err(failed)?;
    let written = draft
        .write_all(text.as_bytes())
        .and_then(|()| draft.as_file().sync_all());
    written.map_err(failed)?;
    let placed = if once {
        draft.persist_noclobber(path)
    } else {
        draft.persist(path)
    };
    match placed {
        Err(refused) if once && refused.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(refused) => Err(failed(refused.error)),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn the_authority_stays_and_its_key_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("new");
        Tls::load(&dir, LOCAL).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        let (first, key) = (read(AUTHORITY), read(AUTHORITY_KEY));
        Tls::load(&dir, LOCAL).unwrap();
        assert_eq!((read(AUTHORITY), read(AUTHORITY_KEY)), (first, key));
        let mode = dir.join(AUTHORITY_KEY).metadata().unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(&dir).unwrap().count(),
            2,
            "no drafts stay"
        );
    }

    #[test]
    fn what_a_killed_start_left_behind_harms_no_key() {
        let dir = tempfile::tempdir().unwrap();
        Tls::load(dir.path(), LOCAL).unwrap();
        let key = dir.path().join(AUTHORITY_KEY);
        let before = std::fs::read_to_string(&key).unwrap();
        // Killed between giving the file its name and taking the draft's away.
        let draft = format!("ca.{}.new", std::process::id());
        std::fs::hard_link(&key, dir.path().join(draft)).unwrap();
        std::fs::remove_file(dir.path().join(AUTHORITY)).unwrap();
        Tls::load(dir.path(), LOCAL).unwrap();
        assert_eq!(std::fs::read_to_string(&key).unwrap(), before);
    }

    #[test]
    fn a_broken_key_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(AUTHORITY_KEY), "no key").unwrap();
        let refused = Tls::load(dir.path(), LOCAL).unwrap_err().to_string();
        assert!(
            refused.contains("ca.key holds no key; delete it"),
            "{refused}"
        );
        let file = dir.path().join(AUTHORITY_KEY).join("below");
        let refused = Tls::load(&file, LOCAL).unwrap_err().to_string();
        assert!(refused.contains("another directory"), "{refused}");
    }
}
