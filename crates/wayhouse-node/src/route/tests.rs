use super::*;

#[test]
fn every_resource_has_its_path_and_nothing_else_has_one() {
    let find = |path: &str| {
        let segments: Vec<&[u8]> = path.split('/').skip(1).map(str::as_bytes).collect();
        resource(&segments)
    };
    assert_eq!(resource(&[]), Some(Resource::Root));
    assert_eq!(find("/.well-known/core"), Some(Resource::Discovery));
    assert_eq!(find("/.well-known/rd"), Some(Resource::SimpleRegistration));
    assert_eq!(find("/rd"), Some(Resource::Registrations));
    assert_eq!(find("/rd-lookup/ep"), Some(Resource::EndpointLookup));
    assert_eq!(find("/rd-lookup/res"), Some(Resource::ResourceLookup));
    let id = EntryId(0x0123_4567_89ab);
    assert_eq!(find(&format!("/reg/{id}")), Some(Resource::Registration(id)));
    for path in ["/rd/", "/RD", "/reg", "/reg/", "/reg/x", "/rd-lookup", "/rd-lookup/ep/1", "/.well-known"] {
        assert_eq!(find(path), None, "{path}");
    }
    assert!(ROOT_TEXT.len() <= 32);
}
