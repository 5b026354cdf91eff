//! What an API server asks an extension about itself: groups, resources, OpenAPI, health.
//!
//! Two paths take reviews and nothing is stored, so all of it is fixed text. It must be right anyway: an
//! extension whose discovery fails stalls the deletion of namespaces everywhere.

use http::Method;

/// The API group under which the API server reaches the webhook.
pub const GROUP: &str = "admission.privyseal.dev";
/// Its version.
pub const VERSION: &str = "v1";
/// Where reviews are sent through the API server.
pub const MUTATE: &str = "/apis/admission.privyseal.dev/v1/secretreviews";
/// Where the second webhook sends its reviews through the API server.
pub const MUST_BE_SEALED: &str = "/apis/admission.privyseal.dev/v1/mustbesealed";

const VERSION_JSON: &str = r#"{"groupVersion":"admission.privyseal.dev/v1","version":"v1"}"#;

const OPENAPI_V2: &str =
    r#"{"swagger":"2.0","info":{"title":"Privy Seal","version":"v1"},"paths":{}}"#;
const OPENAPI_V3: &str = r#"{"paths":{"apis/admission.privyseal.dev/v1":{"serverRelativeURL":"/openapi/v3/apis/admission.privyseal.dev/v1"}}}"#;
const OPENAPI_V3_GROUP: &str =
    r#"{"openapi":"3.0.0","info":{"title":"Privy Seal","version":"v1"},"paths":{}}"#;

/// Whether this is a question of discovery, which everyone may ask who comes through the API server.
pub(crate) fn is_public(method: &Method, path: &str) -> bool {
    answer(method, path).is_some()
}

/// The answer to a question of discovery, as JSON or text; `None` for any other path.
pub(crate) fn answer(method: &Method, path: &str) -> Option<(&'static str, String)> {
    const JSON: &str = "application/json";
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    let path = path
        .strip_suffix('/')
        .filter(|path| !path.is_empty())
        .unwrap_or(path);
    let group = format!(
        r#""name":"{GROUP}","versions":[{VERSION_JSON}],"preferredVersion":{VERSION_JSON}"#
    );
    let body = match path {
        "/healthz" | "/livez" | "/readyz" => {
            return Some(("text/plain; charset=utf-8", "ok".into()));
        }
        "/version" => format!(
            r#"{{"major":"1","minor":"0","gitVersion":"v{}"}}"#,
            env!("CARGO_PKG_VERSION")
        ),
        "/" => format!(
            r#"{{"paths":["/apis","/apis/{GROUP}","/apis/{GROUP}/{VERSION}","/healthz","/openapi/v2","/openapi/v3"]}}"#
        ),
        "/api" => r#"{"kind":"APIVersions","versions":[],"serverAddressByClientCIDRs":[]}"#.into(),
        "/apis" => format!(r#"{{"kind":"APIGroupList","apiVersion":"v1","groups":[{{{group}}}]}}"#),
        "/apis/admission.privyseal.dev" => {
            format!(r#"{{"kind":"APIGroup","apiVersion":"v1",{group}}}"#)
        }
        "/apis/admission.privyseal.dev/v1" => resources(),
        "/openapi/v2" => OPENAPI_V2.into(),
        "/openapi/v3" => OPENAPI_V3.into(),
        "/openapi/v3/apis/admission.privyseal.dev/v1" => OPENAPI_V3_GROUP.into(),
        _ => return None,
    };
    Some((JSON, body))
}

/// Two resources that can be created and nothing else: whatever walks over all resources to list or delete passes
/// them by.
fn resources() -> String {
    let resource = |name: &str, singular: &str| {
        format!(
            r#"{{"name":"{name}","singularName":"{singular}","namespaced":false,"group":"admission.k8s.io","version":"v1","kind":"AdmissionReview","verbs":["create"]}}"#
        )
    };
    format!(
        r#"{{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"{GROUP}/{VERSION}","resources":[{},{}]}}"#,
        resource("secretreviews", "secretreview"),
        resource("mustbesealed", "mustbesealed"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> serde_json::Value {
        let (kind, body) = answer(&Method::GET, path).unwrap();
        assert_eq!(kind, "application/json");
        serde_json::from_str(&body).unwrap()
    }

    #[test]
    fn names_its_group_and_what_can_be_done_in_it() {
        assert_eq!(get("/apis")["groups"][0]["name"], GROUP);
        assert_eq!(
            get("/apis/admission.privyseal.dev")["preferredVersion"]["version"],
            "v1"
        );
        let resources = get("/apis/admission.privyseal.dev/v1/");
        assert_eq!(resources["groupVersion"], "admission.privyseal.dev/v1");
        for resource in resources["resources"].as_array().unwrap() {
            assert_eq!(resource["verbs"], serde_json::json!(["create"]));
            let path = format!(
                "/apis/{GROUP}/{VERSION}/{}",
                resource["name"].as_str().unwrap()
            );
            assert!([MUTATE, MUST_BE_SEALED].contains(&path.as_str()));
        }
        assert_eq!(get("/openapi/v2")["swagger"], "2.0");
        let v3 = get("/openapi/v3");
        let link = v3["paths"]["apis/admission.privyseal.dev/v1"]["serverRelativeURL"].as_str();
        assert_eq!(get(link.unwrap())["openapi"], "3.0.0");
        assert!(get("/").is_object() && get("/api").is_object() && get("/version").is_object());
        assert_eq!(answer(&Method::GET, "/healthz").unwrap().1, "ok");
    }

    #[test]
    fn answers_nothing_else() {
        for (method, path) in [
            (Method::POST, "/apis"),
            (
                Method::DELETE,
                "/apis/admission.privyseal.dev/v1/secretreviews",
            ),
            (Method::GET, MUTATE),
            (Method::GET, "/metrics"),
            (Method::GET, "/apis/other"),
        ] {
            assert!(answer(&method, path).is_none(), "{path}");
        }
    }
}
