//! The operator's console: a page that uses the API, embedded in the binary.

/// A file of the console.
pub struct ConsoleFile {
    /// Where it is served.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
}

/// What the page may do: nothing from elsewhere, nothing inline.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                          connect-src 'self'; img-src 'self'; base-uri 'none'; \
                          form-action 'none'; frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Every file.
pub const CONSOLE: &[ConsoleFile] = &[
    ConsoleFile {
        path: "/index.html",
        content_type: "text/html; charset=utf-8",
        bytes: include_bytes!("../page/index.html"),
    },
    ConsoleFile {
        path: "/console.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../page/console.css"),
    },
    ConsoleFile {
        path: "/favicon.svg",
        content_type: "image/svg+xml",
        bytes: include_bytes!("../page/favicon.svg"),
    },
    script("/console.js", include_bytes!("../page/console.js")),
    script("/api.js", include_bytes!("../page/api.js")),
    script("/deploy.js", include_bytes!("../page/deploy.js")),
    script("/dialog.js", include_bytes!("../page/dialog.js")),
    script("/dom.js", include_bytes!("../page/dom.js")),
    script("/rates.js", include_bytes!("../page/rates.js")),
    script("/tenant.js", include_bytes!("../page/tenant.js")),
];

const fn script(path: &'static str, bytes: &'static [u8]) -> ConsoleFile {
    ConsoleFile { path, content_type: SCRIPT, bytes }
}
