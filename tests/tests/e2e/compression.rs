//! Compressed responses, read by curl, over every protocol.

use super::site::{Authority, FRONT, Site};

#[test]
fn curl_reads_what_is_compressed() {
    let ca = Authority::new("ca");
    let site = Site::start(
        &format!(
            "{FRONT}bind = [\"*:80\", {{ addr = \"*:443\", ssl = true, crt = \"www.pem\" }}]\n\
             compression = {{ algo = [\"gzip\", \"deflate\"], min_size = \"0B\" }}\n"
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.bundle("www.pem", &ca, &["www.example.com"]);
        },
    );
    for (protocol, origin) in [
        ("--http1.1", "http://10.77.0.1"),
        ("--http2-prior-knowledge", "http://10.77.0.1"),
        ("--http1.1", "https://www.example.com"),
        ("--http2", "https://www.example.com"),
    ] {
        for (args, coding) in [
            ("--compressed", Some("gzip")),
            ("--compressed --header Accept-Encoding:deflate,gzip;q=0.5", Some("deflate")),
            ("--compressed --header Accept-Encoding:gzip;q=0", None),
            ("--http1.0 --compressed", None),
            ("", None),
        ] {
            if args.starts_with("--http1.0") && protocol != "--http1.1" {
                continue;
            }
            let got = site.curl(&format!("{protocol} {args} --dump-header -"), &format!("{origin}/"));
            let got = got.expect("an answer");
            let (head, body) = got.split_once("\r\n\r\n").expect("a head");
            let told = head.lines().find_map(|l| l.strip_prefix("content-encoding: "));
            assert_eq!((told, body), (coding, "ok s1\n"), "{protocol} {args} {origin}\n{head}");
        }
    }
}
