//! Who is let in: passwords, certificates, access rules.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use finalmarket::mqtt::{LinkEvent, PublishFailed, Role, Topic, Trouble};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tracing_subscriber::fmt::MakeWriter;

use crate::mosquitto::{Mosquitto, STOCK};
use crate::peer::{Peer, broker, down, here, in_time, node_id, up};

#[tokio::test]
async fn a_wrong_password_is_told_once_and_never_shown() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // This test's runtime has only this thread.
    let _guard = tracing::subscriber::set_default(subscriber);
    let folder = tempfile::tempdir().unwrap();
    add_user(folder.path(), "store-1", "open sesame");
    let template = STOCK.replace(
        "allow_anonymous true",
        "allow_anonymous false\npassword_file @DIR@/passwords",
    );
    let mosquitto = Arc::new(Mosquitto::start_in(folder, &template));

    let login = |password: &str| {
        broker(
            mosquitto.port(),
            &format!("username = 'store-1'\npassword = '{password}'"),
        )
    };
    let mut wrong = Peer::start(Role::Node(node_id("store-1")), login("open barley"));
    assert_eq!(wrong.disconnected().await, Trouble::NotAuthorized);
    let broker_log = Arc::clone(&mosquitto);
    tokio::task::spawn_blocking(move || broker_log.wait_for_log("not authorised", 4))
        .await
        .unwrap();
    in_time(wrong.handle.stop()).await;
    let rest = in_time(wrong.events.recv()).await;
    assert!(rest.is_none(), "said once: {rest:?}");

    let mut right = Peer::start(Role::Node(node_id("store-1")), login("open sesame"));
    right.connected().await;
    let text = log.text();
    assert_eq!(
        text.matches("does not accept this client's user name").count(),
        1,
        "{text}"
    );
    assert!(!text.contains("barley") && !text.contains("sesame"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_say_who_may_use_which_topic() {
    let mosquitto = with_project_configuration();
    let folder = mosquitto.folder();
    let mut hub = Peer::start(Role::Hub, broker(mosquitto.port(), &tls(folder, "ca", Some("hq"))));
    hub.connected().await;
    let node = |name| {
        Peer::start(
            Role::Node(node_id(name)),
            broker(mosquitto.port(), &tls(folder, "ca", Some(name))),
        )
    };
    let (mut first, mut second) = (node("store-1"), node("store-2"));
    first.connected().await;
    second.connected().await;
    assert_eq!(first.message_on(&Topic::Hub).await.payload, here(hub.session));

    let own = first.publish(up("store-1"), "honest").await;
    assert_eq!(in_time(own).await, Ok(()));
    assert_eq!(hub.message_on(&up("store-1")).await.payload, b"honest");
    for foreign in [
        up("store-2"),
        down("store-1"),
        Topic::On(node_id("store-2")),
        Topic::Hub,
    ] {
        let receipt = first.publish(foreign.clone(), "forged").await;
        assert_eq!(in_time(receipt).await, Err(PublishFailed::NotAuthorized), "{foreign}");
    }
    // Who listens where it may not is told "success" and hears nothing: the copy has another node's certificate.
    let imposter = broker(mosquitto.port(), &tls(folder, "ca", Some("store-2")));
    let mut imposter = Peer::start(Role::Node(node_id("store-1")), imposter);
    imposter.connected().await;
    assert_eq!(imposter.message().await.topic, Topic::Hub);
    drop(hub.publish(down("store-1"), "for store-1 only").await);
    drop(hub.publish(down("store-2"), "for store-2").await);
    assert_eq!(first.message_on(&down("store-1")).await.payload, b"for store-1 only");
    assert_eq!(second.message_on(&down("store-2")).await.payload, b"for store-2");
    drop(hub.publish(Topic::Hub, "a mark").await);
    let next = imposter.message().await;
    assert_eq!((next.topic, next.payload), (Topic::Hub, b"a mark".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_do_not_fit_are_told_plainly() {
    let mosquitto = with_project_configuration();
    let folder = mosquitto.folder();
    let cases = [
        (tls(folder, "other-ca", Some("store-1")), "UnknownIssuer"),
        (tls(folder, "ca", None), "CertificateRequired"),
        (tls(folder, "ca", Some("foreign")), "UnknownCA"),
        (tls(folder, "missing-ca", None), "cannot read"),
        (
            tls(folder, "acl", None).replace("acl.crt", "acl"),
            "there is no certificate in",
        ),
    ];
    for (config, told) in cases {
        let mut node = Peer::start(Role::Node(node_id("store-1")), broker(mosquitto.port(), &config));
        let trouble = node.disconnected().await;
        assert!(
            matches!(&trouble, Trouble::Tls(why) if why.contains(told)),
            "{told}: {trouble:?}"
        );
    }
    let mut plain = Peer::node("store-1", mosquitto.port());
    let LinkEvent::Disconnected(_) = plain.event().await else {
        panic!("a connection without TLS");
    };
}

/// The project's configuration for production, on a test's port and with a test's certificates.
fn with_project_configuration() -> Mosquitto {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("finalmarket");
    std::fs::write(folder.path().join("ca.crt"), &authority.certificate).unwrap();
    authority.sign(folder.path(), "server", &["127.0.0.1"]);
    for name in ["hq", "store-1", "store-2"] {
        authority.sign(folder.path(), name, &[]);
    }
    let other = Authority::new("somebody else");
    std::fs::write(folder.path().join("other-ca.crt"), &other.certificate).unwrap();
    other.sign(folder.path(), "foreign", &[]);
    std::fs::write(
        folder.path().join("acl"),
        include_str!("../../firmware-config/mosquitto/acl"),
    )
    .unwrap();
    let template = include_str!("../../firmware-config/mosquitto/finalmarket.conf")
        .replace("listener 8883", "listener @PORT@ 127.0.0.1")
        .replace("/etc/mosquitto/finalmarket", "@DIR@")
        + "\npersistence_location @DIR@/\nuser root\nlog_dest stdout\n";
    Mosquitto::start_in(folder, &template)
}

fn tls(folder: &Path, authority: &str, client: Option<&str>) -> String {
    let folder = folder.display();
    let mut text = format!("[tls]\nca_file = '{folder}/{authority}.crt'\n");
    if let Some(name) = client {
        text += &format!("cert_file = '{folder}/{name}.crt'\nkey_file = '{folder}/{name}.key'\n");
    }
    text
}

struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes NAME.crt and NAME.key.
    fn sign(&self, folder: &Path, name: &str, hosts: &[&str]) {
        let key = KeyPair::generate().unwrap();
        let certificate = named(name, hosts).signed_by(&key, &self.issuer).unwrap();
        std::fs::write(folder.join(format!("{name}.crt")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn add_user(folder: &Path, name: &str, password: &str) {
    let added = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(folder.join("passwords"))
        .args([name, password])
        .status();
    assert!(added.is_ok_and(|status| status.success()), "mosquitto_passwd");
}

/// What the program logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
