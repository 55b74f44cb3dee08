//! A real Chromium, driven through its WebDriver.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use thirtyfour::prelude::*;
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel};

const CHROMIUM: &str = "/usr/bin/chromium";
const DRIVER: &str = "/usr/bin/chromedriver";

/// A browser's driver process; it ends with this value.
pub(super) struct Browser {
    process: Child,
    port: u16,
}

impl Browser {
    /// Starts the driver; `None` when no Chromium is installed.
    pub(super) fn start() -> Option<Browser> {
        if !Path::new(CHROMIUM).exists() || !Path::new(DRIVER).exists() {
            return None;
        }
        let mut process = Command::new(DRIVER)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("an installed driver starts");
        let output = BufReader::new(process.stdout.take().expect("the output is piped"));
        let port = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok())
            .expect("the driver tells its port");
        Some(Browser { process, port })
    }

    /// Opens a window with a profile of its own; `phone` gives it the measures and the touch screen of one.
    pub(super) async fn open(&self, profile: &Path, phone: Option<(u32, u32)>) -> WebDriver {
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(CHROMIUM).expect("a string");
        for argument in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
        ] {
            capabilities.add_arg(argument).expect("a string");
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.display())).expect("a string");
        capabilities.set_browser_log_level(LoggingPrefsLogLevel::All).expect("a level");
        if let Some((width, height)) = phone {
            let measures = json!({ "width": width, "height": height, "pixelRatio": 2.0, "touch": true });
            capabilities
                .add_experimental_option("mobileEmulation", json!({ "deviceMetrics": measures }))
                .expect("plain JSON");
        }
        WebDriver::new(format!("http://127.0.0.1:{}", self.port), capabilities).await.expect("Chromium starts")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already; either way it is reaped.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the browser complained about since it was last asked.
pub(super) async fn complaints(driver: &WebDriver) -> Vec<String> {
    let log = driver.browser_log().await.expect("the driver keeps a log");
    log.into_iter()
        .filter(|entry| matches!(entry.level.as_str(), "SEVERE" | "WARNING"))
        .map(|entry| entry.message)
        .collect()
}
