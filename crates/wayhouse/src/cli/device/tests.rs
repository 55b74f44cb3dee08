use super::*;

fn read(text: &str) -> Result<Group, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(group(text, &[])).map_err(|fault| fault.what)
}

#[test]
fn gc1_a_group_is_a_coap_uri_and_the_default_port_goes_without_saying() {
    let plain = read("coap://224.0.1.187/gp/floor1").expect("a group");
    assert_eq!(plain, read("coap://224.0.1.187:5683/gp/floor1").expect("a group"));
    assert_eq!((plain.address.to_string().as_str(), plain.origin.as_str()), ("224.0.1.187:5683", "coap://224.0.1.187"));
    assert_eq!(plain.path, ["gp", "floor1"]);
    let other = read("coap://[ff05::db8:8000:1]:5685/gp/floor1").expect("a group");
    assert_eq!(other.origin, "coap://[ff05::db8:8000:1]:5685");
    assert!(read("coap+tcp://224.0.1.187/gp/a").is_err_and(|why| why.contains("scheme")));
    assert!(read("coap://192.0.2.1/gp/a").is_err_and(|why| why.contains("multicast")));
    assert!(read("coap://224.0.1.187/a?gp=b").is_err_and(|why| why.contains("path")));
    assert!(read("coap://224.0.1.187/a/b/c/d").is_err_and(|why| why.contains("segments")));
    assert_eq!(
        read("coap://224.0.1.187").expect("a group").path,
        [""; 0],
        "the CoAP group alone tells the application group"
    );
}

#[test]
fn gc41_the_port_of_coaps_is_for_no_group_and_no_device() {
    assert!(read("coap://224.0.1.187:5684/gp/a").is_err_and(|why| why.contains("5684")));
    assert_eq!([next_port(5683), next_port(5685)], [5685, 5686]);
}

#[test]
fn a_prefix_gives_an_address_to_each_device() {
    let prefix: Prefix = "10.77.3.9/22".parse().expect("a prefix");
    assert_eq!(prefix.address(1), Some("10.77.0.1".parse().expect("an address")));
    assert_eq!(prefix.address(1022), Some("10.77.3.254".parse().expect("an address")));
    assert_eq!(prefix.address(1023), None, "that one is for everybody");
    let prefix: Prefix = "fd77::/64".parse().expect("a prefix");
    assert_eq!(prefix.address(500), Some("fd77::1f4".parse().expect("an address")));
    assert_eq!("10.0.0.1/32".parse::<Prefix>().expect("a prefix").address(1), None);
    for text in ["10.0.0.1", "10.0.0.0/33", "x/8", "10.0.0.0/", "::/129"] {
        assert!(text.parse::<Prefix>().is_err(), "{text}");
    }
}
