#![allow(missing_docs, clippy::disallowed_methods)]
use std::time::*; use wayhouse_registry::*;
fn main(){ let n:u64=std::env::args().nth(1).unwrap().parse().unwrap(); let big: usize=std::env::args().nth(2).unwrap().parse().unwrap();
 let docs:Vec<String>=(0..n).map(|i|{ let mut s=format!("</s/0>;rt=\"u{i:06}\";if=\"core.s\""); for k in 1..5{ s+=&format!(",</s/{k}>;rt=\"kind{k}\";if=\"core.s\""); if big>0 {s+=&format!(";title=\"{}\"", "x".repeat(big));}} s}).collect();
 let mut r=Registry::new(Limits::default(),7,"/reg/"); let now=Instant::now(); let t=Instant::now();
 for i in 0..n { let i=i*618_033%n; let name=format!("node-{i:06}"); let base=format!("coap://10.{}.{}.{}", i>>16&255, i>>8&255, i&255); let et=format!("type{}", i%100);
  r.register(now+Duration::from_micros(i), &Registration{endpoint_name:&name,sector:"",base:&base,is_base_explicit:true,lifetime_s:3600,attributes:&[("et",&et)],links:&docs[i as usize],origin:Origin::Directory,credentials:&Credentials::anonymous(),source:None,link_scope:None}).unwrap(); }
 let e=t.elapsed(); println!("{:?} each", e/n as u32);
 let t=Instant::now(); r.expire(now+Duration::from_secs(3602), usize::MAX); println!("expire {:?} each", t.elapsed()/n as u32);
}
