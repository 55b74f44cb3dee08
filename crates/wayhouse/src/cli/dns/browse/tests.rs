use super::*;

fn instance(name: &str, path: &str) -> ServiceInstance {
    let attributes = vec![("path".to_owned(), Some(path.as_bytes().to_vec()))];
    ServiceInstance { name: Name::parse(name).unwrap(), target: None, addresses: Vec::new(), attributes }
}

#[test]
fn differences_are_told_once() {
    let mut shown = BTreeMap::new();
    let mut signs = |instances: &[ServiceInstance]| {
        let told = differences(&mut shown, instances.to_vec());
        told.iter().map(|(sign, instance)| format!("{sign}{}", instance.name)).collect::<Vec<_>>()
    };
    let (a, b) = (instance("a", "/1"), instance("b", "/1"));
    assert_eq!(signs(&[a.clone(), b.clone()]), ["+a.", "+b."]);
    assert_eq!(signs(&[a.clone(), b.clone()]), [""; 0]);
    assert_eq!(signs(&[instance("a", "/2")]), ["-b.", "~a."]);
}
