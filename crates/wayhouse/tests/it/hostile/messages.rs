//! What well-behaved devices say: the messages of the wire crate's vectors, and conversations with the directory.

use serde_json::Value;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{BlockValue, Code, Encoder, Kind, OptionList, content_format};

/// Datagrams that one device sends one after the other.
pub(super) type Conversation = Vec<Vec<u8>>;

const LINKS: &str = "</sensors/temp>;rt=temperature-c;if=sensor,</sensors/light>;rt=light-lux;if=sensor,\
                     </t>;anchor=\"/sensors/temp\";rel=alternate,</fw>;rt=firmware;ct=42;title=\"a, b; c\"";

/// The messages of the vectors, each a conversation of its own.
pub(super) fn vectors() -> Vec<Conversation> {
    let text = include_str!("../../../../wayhouse-wire/vectors/coap_messages.json");
    let vectors: Value = serde_json::from_str(text).expect("JSON");
    let messages = vectors["messages"].as_array().expect("a list");
    messages.iter().map(|message| vec![octets(message["hex"].as_str().expect("a string"))]).collect()
}

fn octets(hexadecimal: &str) -> Vec<u8> {
    let pairs = hexadecimal.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("two hexadecimal digits"))
        .collect()
}

/// What can be asked of a directory, `location` being a registration that it holds.
pub(super) fn with_directory(location: &str) -> Vec<Conversation> {
    let registration: Vec<&str> = location.split('/').skip(1).collect();
    let link_format = u64::from(content_format::LINK_FORMAT);
    let register = Question::new(Code::POST, &["rd"]).number(number::CONTENT_FORMAT, link_format);
    let observe = |path: &[&str]| Question::new(Code::GET, path).number(number::OBSERVE, 0);
    let mut all = vec![
        vec![register.clone().query(&["ep=lamp", "d=attic", "lt=600", "et=lamp"]).with(LINKS)],
        vec![
            register.clone().query(&["ep=meter", "lt=1", "base=coap://[2001:db8::7]:61616"]).with("</power>;rt=power"),
        ],
        vec![register.clone().query(&["ep=silent"]).with("")],
        // Registered, updated, removed; the resource is somebody else's.
        vec![
            Question::new(Code::POST, &registration).query(&["lt=7200"]).with(""),
            Question::new(Code::POST, &registration).query(&["base=coap://[2001:db8::8]", "et=lamp"]).with(""),
            Question::new(Code::GET, &registration).with(""),
            Question::new(Code::DELETE, &registration).with(""),
        ],
        vec![Question::new(Code::POST, &[".well-known", "rd"]).query(&["ep=simple", "lt=60"]).with("")],
        vec![Question::new(Code::GET, &[".well-known", "core"]).query(&["rt=core.rd*"]).with("")],
        vec![
            Question::new(Code::GET, &["rd-lookup", "ep"]).query(&["ep=la*", "d=attic", "page=0", "count=7"]).with(""),
        ],
        vec![Question::new(Code::GET, &["rd-lookup", "res"]).query(&["rt=temperature-c", "anchor=*"]).with("")],
        vec![
            Question::new(Code::GET, &["rd-lookup", "res"])
                .number(number::ACCEPT, link_format)
                .number(number::BLOCK2, BlockValue { num: 0, more: false, szx: 1 }.to_uint())
                .with(""),
            Question::new(Code::GET, &["rd-lookup", "res"])
                .number(number::ACCEPT, link_format)
                .number(number::BLOCK2, BlockValue { num: 2, more: false, szx: 1 }.to_uint())
                .with(""),
        ],
        vec![
            observe(&["rd-lookup", "ep"]).query(&["ep=lamp"]).with(""),
            Question::new(Code::GET, &["rd-lookup", "ep"]).number(number::OBSERVE, 1).query(&["ep=lamp"]).with(""),
        ],
        vec![observe(&["rd-lookup", "res"]).query(&["rt=power"]).with("")],
        vec![Question::new(Code::FETCH, &["rd-lookup", "ep"]).with("ep=lamp")],
        vec![Question::new(Code::PUT, &["rd"]).number(number::IF_NONE_MATCH, 0).with("nothing")],
    ];
    all.push(in_blocks(&register.query(&["ep=blocks", "lt=600"]), LINKS.as_bytes()));
    all
}

/// A request whose body goes in blocks of 64 octets.
fn in_blocks(question: &Question, body: &[u8]) -> Conversation {
    let count = body.chunks(64).count();
    let pieces = body.chunks(64).enumerate().map(|(num, piece)| {
        let block = BlockValue { num: num as u32, more: num + 1 < count, szx: 2 };
        let mut question = question.clone().number(number::BLOCK1, block.to_uint());
        question.options.push(number::REQUEST_TAG, b"tag");
        question.encode(piece)
    });
    pieces.collect()
}

/// A request in the making.
#[derive(Clone)]
struct Question {
    code: Code,
    options: OptionList,
}

impl Question {
    fn new(code: Code, path: &[&str]) -> Question {
        let mut options = OptionList::new();
        for segment in path {
            options.push(number::URI_PATH, segment.as_bytes());
        }
        Question { code, options }
    }
    fn query(mut self, arguments: &[&str]) -> Question {
        for argument in arguments {
            self.options.push(number::URI_QUERY, argument.as_bytes());
        }
        self
    }
    fn number(mut self, option: u16, value: u64) -> Question {
        self.options.push_uint(option, value);
        self
    }
    fn with(self, payload: &str) -> Vec<u8> {
        self.encode(payload.as_bytes())
    }
    fn encode(&self, payload: &[u8]) -> Vec<u8> {
        let mut octets = Vec::new();
        let mut encoder = Encoder::datagram(&mut octets, Kind::Confirmable, self.code, 1, b"ask");
        for option in self.options.iter() {
            encoder.option(option.number, option.value);
        }
        encoder.payload(payload);
        octets
    }
}
