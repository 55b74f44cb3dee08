//! The page in a real Chromium, on top of the real daemon: what a device does shows without a reload.

mod browser;

use std::path::Path;
use std::time::Duration;

use thirtyfour::TypingData;
use thirtyfour::prelude::*;
use wayhouse_wire::coap::Code;

use super::device::Device;
use super::running::Running;
use browser::{Browser, complaints};

/// How long a condition may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a journey in a browser with a daemon behind it; tells when there is no browser to run it in.
fn journey<F: Future<Output = ()>>(walk: impl FnOnce(Stage) -> F) {
    journey_of(|directory| Running::start(&directory.join("store")), walk);
}

/// The same with a daemon of the test's own making.
fn journey_of<F: Future<Output = ()>>(start: impl FnOnce(&Path) -> Running, walk: impl FnOnce(Stage) -> F) {
    let Some(browser) = Browser::start() else {
        println!("not run: chromium-driver missing");
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let stage = Stage { browser, daemon: start(directory.path()), directory };
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(walk(stage));
}

struct Stage {
    browser: Browser,
    daemon: Running,
    directory: tempfile::TempDir,
}

impl Stage {
    fn device(&self) -> Device {
        Device::new(self.daemon.coap())
    }
    fn admin_token(&self) -> String {
        let path = self.daemon.announced("admin_token_file").as_str().expect("a path");
        std::fs::read_to_string(path).expect("the daemon wrote it").trim().to_owned()
    }
    /// Opens the page in a window of its own and waits until it follows the registry.
    async fn open(&self, phone: Option<(u32, u32)>) -> Page {
        let profile = self.directory.path().join(if phone.is_some() { "phone" } else { "desk" });
        let driver = self.browser.open(&profile, phone).await;
        driver.goto(format!("http://{}/", self.daemon.http())).await.expect("the page loads");
        let page = Page { driver };
        page.until("live", "return document.querySelector('#connection').dataset.state === 'live'").await;
        // Lost with the document: that it is there later proves that nothing was reloaded.
        page.run("window.isTheSame = true; return true").await;
        page
    }
}

struct Page {
    driver: WebDriver,
}

impl Page {
    async fn run(&self, script: &str) -> serde_json::Value {
        self.driver.execute(script, Vec::new()).await.expect("the script runs").json().clone()
    }
    async fn holds(&self, script: &str) -> bool {
        self.run(script).await == true
    }
    /// Waits until a condition on the page holds.
    async fn until(&self, what: &str, script: &str) {
        let waiting = async {
            while !self.holds(script).await {
                tokio::task::yield_now().await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("not seen: {what}; the page shows {}", self.run("return document.body.innerText").await);
        }
    }
    /// Waits until the list has exactly these rows, in any order.
    async fn until_rows(&self, names: &[&str]) {
        let script = "
            const names = document.querySelectorAll('.registrant:not(.gone) .name');
            return [...names].map((name) => name.textContent).sort()";
        let waiting = async {
            while self.run(script).await != serde_json::json!(names) {
                tokio::task::yield_now().await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("not seen: the rows {names:?}, but {}", self.run(script).await);
        }
    }
    async fn press(&self, keys: impl Into<TypingData>) {
        self.driver.action_chain().send_keys(keys).perform().await.expect("keys can be pressed");
    }
    async fn close(self) {
        assert!(self.holds("return window.isTheSame === true").await, "the page was reloaded");
        assert_eq!(complaints(&self.driver).await, Vec::<String>::new());
        self.driver.quit().await.expect("Chromium ends");
    }
}

/// Asks something of a registration resource.
fn ask(device: &mut Device, code: Code, location: &str, query: &[&str]) -> Code {
    let path: Vec<&str> = location.split('/').skip(1).collect();
    device.ask(code, &path, query, "").code
}

const LINKS: &str = "</light>;rt=\"light core.s\";if=core.a,</temp>;rt=temperature;title=\"At the ceiling\"";

#[test]
fn what_devices_do_shows_without_a_reload() {
    journey(async |stage| {
        let page = stage.open(None).await;
        let mut device = stage.device();
        page.until("the first steps", "return !document.querySelector('#first').hidden").await;
        assert!(page.holds("return document.querySelector('#commands').innerText.includes('wayhouse register')").await);

        let lamp = device.register(&["ep=lamp", "d=upstairs", "lt=3600"], LINKS);
        page.until_rows(&["lamp"]).await;
        let row = "const row = document.querySelector('.registrant');";
        let text = |part: &str| format!("{row} const text = row.querySelector('.{part}').textContent; return ");
        page.until("its sector", &(text("sector") + "text === 'upstairs'")).await;
        page.until("its links", &(text("count") + "text === '2'")).await;
        page.until("its lifetime running down", &(text("time") + "/^5\\d min/.test(text)")).await;
        page.until("the counter", "return document.querySelector('#figure-registrants').textContent === '1'").await;

        // Registering again under the same name changes the row in place.
        device.register(&["ep=lamp", "d=upstairs", "lt=3600"], "</light>");
        page.until("the change", &(text("count") + "text === '1'")).await;
        assert_eq!(ask(&mut device, Code::POST, &lamp, &["lt=120"]), Code::CHANGED);
        page.until("the shorter lifetime", &(text("time") + "/^(2 min|1 min|\\d+ s)/.test(text)")).await;

        device.register(&["ep=visitor", "lt=1"], "");
        let expiry = "return document.querySelector('#latest').textContent.startsWith('visitor expired')";
        page.until("an expiry", expiry).await;
        page.until_rows(&["lamp"]).await;

        let other = device.register(&["ep=meter"], "");
        page.until_rows(&["lamp", "meter"]).await;
        assert_eq!(ask(&mut device, Code::DELETE, &other, &[]), Code::DELETED);
        page.until_rows(&["lamp"]).await;
        assert_eq!(ask(&mut device, Code::DELETE, &lamp, &[]), Code::DELETED);
        page.until("the first steps again", "return !document.querySelector('#first').hidden").await;
        page.close().await;
    });
}

#[test]
fn a_registration_shows_within_a_second() {
    journey(async |stage| {
        let page = stage.open(None).await;
        let mut device = stage.device();
        page.run("
            window.seen = {};
            new MutationObserver(() => {
                for (const name of document.querySelectorAll('.registrant .name')) seen[name.textContent] ??= Date.now();
            }).observe(document.body, { childList: true, subtree: true, characterData: true });
            return true").await;
        let mut delays_ms = Vec::new();
        for name in ["lamp-1", "lamp-2", "lamp-3", "lamp-4"] {
            let before = page.run("return Date.now()").await;
            device.register(&[&format!("ep={name}")], LINKS);
            page.until(name, &format!("return '{name}' in seen")).await;
            let seen = page.run(&format!("return seen['{name}']")).await;
            delays_ms.push(seen.as_i64().expect("a time") - before.as_i64().expect("a time"));
        }
        // Other tests may hold the machine up at any moment, but hardly at each.
        assert!(delays_ms.iter().any(|delay| *delay < 1000), "{delays_ms:?}");
        page.close().await;
    });
}

#[test]
fn search_keyboard_and_details_work() {
    journey(async |stage| {
        let mut device = stage.device();
        for (name, links) in [("lamp-1", LINKS), ("lamp-2", "</light>"), ("meter-1", "</power>;rt=power")] {
            device.register(&[&format!("ep={name}"), "et=oic.d.thing"], links);
        }
        let page = stage.open(None).await;
        page.until_rows(&["lamp-1", "lamp-2", "meter-1"]).await;

        page.press("/").await;
        assert!(page.holds("return document.activeElement.id === 'text'").await);
        page.press("LAMP").await;
        page.until_rows(&["lamp-1", "lamp-2"]).await;
        page.press(Key::Escape + "rt=pow*").await;
        page.until_rows(&["meter-1"]).await;
        page.press(Key::Escape + "nobody").await;
        page.until("that nothing fits", "return !document.querySelector('#nothing').hidden").await;
        page.press(Key::Escape + "ceiling").await;
        page.until_rows(&["lamp-1"]).await;

        // What does not fit the search does not show when it arrives; what fits does.
        device.register(&["ep=lamp-3"], "</light>");
        device.register(&["ep=lamp-4"], LINKS);
        page.until_rows(&["lamp-1", "lamp-4"]).await;
        page.press(Key::Escape + "lamp-1").await;
        page.until_rows(&["lamp-1"]).await;

        page.press(Key::Down + Key::Enter).await;
        page.until("the details", "return document.querySelector('.detail .target')?.textContent === '/light'").await;
        let detail = page.run("return document.querySelector('.detail').innerText").await;
        for part in ["/temp", "rt=light core.s", "title=At the ceiling", "et=oic.d.thing", "/reg/"] {
            assert!(detail.as_str().is_some_and(|text| text.contains(part)), "{part} in {detail}");
        }
        assert!(page.holds("return document.activeElement.getAttribute('aria-expanded') === 'true'").await);
        page.press(Key::Escape).await;
        page.until("the details closed", "return document.querySelector('.detail').hidden").await;
        page.press(Key::Up).await;
        assert!(page.holds("return document.activeElement.id === 'text'").await);
        page.press(Key::Escape + Key::Down + Key::Down).await;
        page.until_rows(&["lamp-1", "lamp-2", "lamp-3", "lamp-4", "meter-1"]).await;
        page.press(Key::Down + Key::Down).await;
        assert!(page.holds("return document.activeElement.className === 'row'").await);
        page.close().await;
    });
}

#[test]
fn the_operator_removes_with_the_token() {
    journey(async |stage| {
        let mut device = stage.device();
        device.register(&["ep=lamp-1"], LINKS);
        device.register(&["ep=lamp-2"], LINKS);
        let page = stage.open(None).await;
        page.until_rows(&["lamp-1", "lamp-2"]).await;
        let open_removal = "
            const remove = document.querySelector('.removing');
            if (remove) remove.click();
            else if (!document.querySelector('.detail:not([hidden])')) document.querySelector('.registrant:not(.gone) .row').click();
            return document.querySelector('#removal').open";
        page.until("the question", open_removal).await;
        page.press("not the token").await;
        page.press(Key::Enter).await;
        page.until("the refusal", "return !document.querySelector('#removal-problem').hidden").await;
        page.press(stage.admin_token()).await;
        page.press(Key::Enter).await;
        page.until("one row", "return document.querySelectorAll('.registrant:not(.gone)').length === 1").await;

        // The token is asked for once.
        let close_removed = "
            const removed = document.querySelector('.registrant.gone .row');
            if (removed) removed.click();
            return removed === null";
        page.until("the details of the removed one closed", close_removed).await;
        page.until("the question again", open_removal).await;
        assert!(page.holds("return document.querySelector('#token-field').hidden").await);
        page.run("document.querySelector('#removal-confirm').click(); return true").await;
        page.until("no row", "return document.querySelectorAll('.registrant:not(.gone)').length === 0").await;
        // The browser complains of the refused token, and of nothing else.
        let complaints = complaints(&page.driver).await;
        assert!(matches!(&complaints[..], [one] if one.contains("401")), "{complaints:?}");
        page.close().await;
    });
}

/// A row that a read has taken from the list stays on screen until the next frame is drawn.
#[test]
fn nothing_is_asked_about_what_is_not_listed_any_more() {
    journey(async |stage| {
        let mut device = stage.device();
        let location = device.register(&["ep=lamp"], LINKS);
        let page = stage.open(None).await;
        page.until_rows(&["lamp"]).await;
        page.run("document.querySelector('.row').click(); return true").await;
        page.until("the details", "return document.querySelector('.detail .target') !== null").await;
        assert_eq!(ask(&mut device, Code::DELETE, &location, &[]), Code::DELETED);
        page.until("the row struck out", "return document.querySelector('.registrant.gone') !== null").await;
        // From here on no frame is drawn; closing the details reads the list again.
        page.run(
            "
            window.requestAnimationFrame = () => 0;
            window.asked = [];
            const fetch = window.fetch;
            window.fetch = async (path, options) => {
                asked.push(path);
                const response = await fetch(path, options);
                const json = response.json.bind(response);
                response.json = async () => {
                    const body = await json();
                    if (path.startsWith('/api/v1/registrants?')) setTimeout(() => { window.isListRead = true; });
                    return body;
                };
                return response;
            };
            document.querySelector('.registrant.gone .row').click();
            return true",
        )
        .await;
        page.until("the list read", "return window.isListRead === true").await;
        page.run("document.querySelector('.registrant.gone .row').click(); return true").await;
        let asked = page.run("return asked.filter((path) => path.startsWith('/api/v1/registrants/'))").await;
        assert_eq!(asked, serde_json::json!([]));
        page.close().await;
    });
}

#[test]
fn a_phone_shows_everything_in_its_width() {
    journey(async |stage| {
        let mut device = stage.device();
        let long = "n".repeat(63);
        device.register(
            &[&format!("ep={long}"), &format!("d={long}")],
            &format!("</{}>;title=\"{}\"", "p".repeat(200), "t".repeat(200)),
        );
        let page = stage.open(Some((360, 740))).await;
        page.until_rows(&[&long]).await;
        let fits = "return innerWidth === 360 && document.documentElement.scrollWidth <= 360";
        assert!(
            page.holds(fits).await,
            "{}",
            page.run("return [innerWidth, document.documentElement.scrollWidth]").await
        );
        page.run("document.querySelector('.row').click(); return true").await;
        page.until("the details", "return document.querySelector('.detail .target') !== null").await;
        assert!(
            page.holds(fits).await,
            "{}",
            page.run("return [innerWidth, document.documentElement.scrollWidth]").await
        );
        page.close().await;
    });
}

#[test]
fn groups_show_their_members_as_they_come_and_go() {
    journey(async |stage| {
        let mut device = stage.device();
        let page = stage.open(None).await;
        page.run("document.querySelector('.views a[href=\"#groups\"]').click(); return true").await;
        page.until("how to make a group", "return !document.querySelector('#group-nothing').hidden").await;
        assert!(page.holds("return document.querySelector('#view-registrants').hidden").await);

        let hall = "base=coap://[ff15::1]:5685";
        let location = device.register(&["ep=hall", "et=core.rd-group", hall], "</gp/gp1>;rt=g.light");
        let text =
            |part: &str| format!("const part = document.querySelector('.group .{part}'); return part?.textContent ");
        page.until("the group", &(text("name") + "=== 'hall'")).await;
        page.until("where it is", &(text("base") + "=== 'coap://[ff15::1]:5685'")).await;
        page.until("what it carries", &(text("carried") + "=== 'gp1 (g.light)'")).await;
        page.until("nobody in it", &(text("count") + "=== '0'")).await;

        page.press(Key::Down + Key::Enter).await;
        page.until("its details", &(text("security") + "?.includes('None is known')")).await;
        assert!(page.holds("return document.activeElement.getAttribute('aria-expanded') === 'true'").await);
        assert!(page.holds("return document.querySelector('.group-actions').closest('.detail') !== null").await);
        device.register(&["ep=lamp"], "</gp/gp1>;rt=g.light");
        page.until("a member", &(text("count") + "=== '1'")).await;
        page.until("who it is", &(text("members") + "?.includes('lamp · gp1')")).await;
        device.register(&["ep=gm", "base=coap://gm.example"], "</g/s1>;rt=core.osc.gm;sec-gp=s1;app-gp=gp1");
        page.until("its protection", &(text("security") + "?.includes('s1 protects gp1')")).await;
        device.register(&["ep=also", "et=core.rd-group", "base=coap://[ff15::1]:5690"], "");
        page.until("the other port", &(text("facts") + "?.includes('with port 5690')")).await;
        device.register(&["ep=lamp"], "</x>");
        page.until("the member gone", &(text("count") + "=== '0'")).await;
        page.press(Key::Escape).await;
        page.until("the details closed", "return document.querySelector('.group .detail').hidden").await;

        assert_eq!(ask(&mut device, Code::DELETE, &location, &[]), Code::DELETED);
        page.until("the group gone", &(text("base") + "=== 'coap://[ff15::1]:5690'")).await;
        page.press("/").await;
        page.until("the search", "return document.activeElement.id === 'text'").await;
        page.until_rows(&["also", "gm", "lamp"]).await;
        page.close().await;
    });
}

#[test]
fn a_phone_shows_groups_in_its_width() {
    journey(async |stage| {
        let mut device = stage.device();
        let long = "n".repeat(60);
        let links = format!("</gp/{long}>;rt=\"g.{long} g.{}\"", "t".repeat(60));
        device.register(&[&format!("ep={long}"), "et=core.rd-group", &format!("base=coap://{long}.example")], &links);
        device.register(&[&format!("ep={}", "m".repeat(63))], &links);
        let page = stage.open(Some((360, 740))).await;
        page.run("location.hash = '#groups'; return true").await;
        page.until("the group", "return document.querySelector('.group .count')?.textContent === '1'").await;
        let fits = "return innerWidth === 360 && document.documentElement.scrollWidth <= 360";
        assert!(page.holds(fits).await);
        page.run("document.querySelector('.group .row').click(); return true").await;
        page.until("the details", "return document.querySelector('.group .members b') !== null").await;
        let measures = page.run("return [innerWidth, document.documentElement.scrollWidth]").await;
        assert!(page.holds(fits).await, "{measures}");
        page.close().await;
    });
}

#[test]
fn a_group_is_asked_and_its_members_answers_appear() {
    let port = super::groups::free_port();
    let configuration = format!(
        "[[group]]\nname = \"hall\"\naddresses = [\"239.77.0.9\"]\nport = {port}\ninterfaces = [\"lo\"]\n\
         application_groups = [\"hall g.light\"]\n"
    );
    journey_of(
        |directory| super::groups::start(directory, &configuration),
        async |stage| {
            let page = stage.open(None).await;
            page.run("location.hash = '#groups'; return true").await;
            page.until("the group", "return document.querySelector('.group .count')?.textContent === '1'").await;
            page.press(Key::Down + Key::Enter).await;
            page.until("the question", "return document.querySelector('.ask-form input')?.value === '/gp/hall'").await;
            page.run("document.querySelector('.ask-token input').focus(); return true").await;
            page.press("wrong" + Key::Enter).await;
            let problem = "return document.querySelector('.group-actions .problem').textContent";
            page.until("the refusal", &(problem.to_owned() + " === 'The admin token is wrong.'")).await;
            page.run("document.querySelector('.ask-token input').value = ''; document.querySelector('.ask-token input').focus(); return true").await;
            page.press(stage.admin_token() + Key::Enter).await;
            // The daemon is a member itself: it answers from its own address.
            page.until("an answer", "return document.querySelectorAll('.ask-answers tbody tr').length === 1").await;
            page.until(
                "its code",
                "return document.querySelector('.ask-answers tbody td:nth-child(3)').textContent === '2.05'",
            )
            .await;
            page.until("who", "return /:\\d+$/.test(document.querySelector('.ask-answers tbody code').textContent)")
                .await;
            page.until("the end", "return document.querySelector('.ask-summary').textContent === '1 member answered'")
                .await;
            let complaints = complaints(&page.driver).await;
            assert!(matches!(&complaints[..], [one] if one.contains("401")), "{complaints:?}");
            page.driver.quit().await.expect("Chromium ends");
        },
    );
}
