//! What the program says of itself.

use crate::cli_server::wayhouse;

#[test]
fn the_verbs_in_one_glance() {
    insta::assert_snapshot!(wayhouse(&["--help"]).transcript(), @r"
    One registry of who is there: a CoRE Resource Directory, and tools for people who debug CoAP

    Usage: wayhouse <COMMAND>

    Commands:
      run           Run the daemon
      check-config  Tell every setting in force and where it came from
      get           Read a resource
      put           Create or replace a resource
      post          Hand something to a resource
      delete        Remove a resource
      fetch         Read a resource with a query in the payload
      patch         Change a part of a resource
      ipatch        Change a part of a resource; may be repeated without harm
      observe       Be told whenever a resource changes
      ping          Tell whether a CoAP endpoint is there, and how far away
      discover      List what a server offers
      register      Register an endpoint and its links at a resource directory
      list          List who, or what, is registered at a resource directory
      watch         Be told who comes and goes at a resource directory
      device        Play a small CoAP device, or many: a lamp, a sensor, a switch, a meter
      query         Ask a name server
      browse        List services, or be told as they come and go
      resolve       Tell where a service is
      subscribe     Be told of changes to names, as a name server pushes them
      publish       Register a service of this host, and keep it registered
      completions   Write completions for a shell

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Exit codes: 0 done, 1 negative answer (4.xx, 5.xx, nothing found), 2 misuse, 3 nobody answers.
    First steps: `wayhouse run` in one shell; `wayhouse list` and `wayhouse watch` in another.
    exit 0
    ");
}

#[test]
fn a_verb_in_detail() {
    insta::assert_snapshot!(wayhouse(&["put", "--help"]).transcript(), @r"
    Create or replace a resource

    Usage: wayhouse put [OPTIONS] <URI> [PAYLOAD]

    Arguments:
      <URI>
              What to change: coap://host/path (UDP) or coap+tcp://host/path

      [PAYLOAD]
              The payload as text; `-` reads standard input

    Options:
          --payload <TEXT>
              The payload as text

          --payload-file <FILE>
              The payload is what this file holds; `-` reads standard input

          --content-format <CF>
              What the payload is: a number, or a media type such as json, cbor, text/plain

          --non
              Send non-confirmable messages: quicker, and nobody repeats what gets lost

          --accept <CF>
              Ask for this content-format: a number, or a media type such as json, cbor, text/plain

          --option <NUMBER=VALUE>
              Send an option: number or name, and a value in hexadecimal (0x…), as a number, or as text

          --block-size <OCTETS>
              Transfer bodies in blocks of this many octets: 16, 32, 64, … 1024

          --timeout <SECONDS>
              Give up when nothing was heard for this many seconds [default: 93]

          --if-match <ETAG>
              Only if the resource has this ETag (0x…); empty: only if it exists

          --if-none-match
              Only if the resource does not exist

          --etag <ETAG>
              An ETag (0x…) of a representation at hand: the answer may be 2.03 Valid without payload

      -v, --verbose
              Tell every message with its code and options on standard error

          --json
              Print the whole answer as JSON. Keys with --json: code, name, from, options (number, name,
              value), content_format, media_type, location, etag (hexadecimal), max_age (seconds),
              payload_octets, and the payload as one of text, json, links, cbor (diagnostic notation) or
              hex; problem (title, detail, unprocessed_options) when the server explains a refusal.

          --raw
              Print the octets of the payload as they are

          --output <FILE>
              Write to this file instead of standard output; without --json, the octets of the payload
              as they are

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Groups:
          --group
              The host is a name of a group. With it, or with a multicast address, the request goes to
              all members of a CoAP group, and each answer is printed in a line of its own as it comes:
              member, seconds, code, value. With --json: one object in each line, with `after_s`; at the
              end one with `summary`.

          --interface <NAME>
              Send by this interface; may be given several times

          --window <SECONDS>
              Gather answers for this many seconds [default: 7]

          --repeat <TIMES>
              Send the request again this many times, for members that loss hid
              
              [default: 0]

          --repeat-after <SECONDS>
              Between two transmissions [default: 7]

          --answers <NUMBER>
              Stop after this many answers

          --member <ADDRESS>
              A member that should answer: address or address:port; may be given several times

          --members-from <URI>
              Ask this resource directory who is a member: whose links say so (rt=g.*)

          --ask-silent
              Ask members that stay silent once more, alone

          --blocks-from-group
              Fetch further blocks by requests to the group instead of from each member alone

    Examples:
      wayhouse put coap://lamp.example/on --payload true --content-format json
      wayhouse put coap://store.example/firmware --payload-file firmware.bin --content-format 42
      echo hello | wayhouse put coap://host.example/note -
      wayhouse put --if-none-match coap://host.example/note 'only if there is none'
    exit 0
    ");
    insta::assert_snapshot!(wayhouse(&["register", "-h"]).transcript(), @r"
    Register an endpoint and its links at a resource directory

    Usage: wayhouse register [OPTIONS] --name <EP>

    Options:
          --name <EP>          Name of the endpoint, unique in its sector
          --sector <D>         Sector of the endpoint
          --lifetime <S>       Lifetime of the registration in seconds [default: the directory's, 90000]
          --base <URI>         URI at which the endpoint is reached, such as coap://lamp.example
          --link <LINK>        A link, such as '</light>;rt=light'; may be repeated
          --links-file <FILE>  Links in link-format from this file; `-` reads standard input
          --attribute <K=V>    An attribute of the endpoint; may be repeated
          --keep               Stay, refresh the registration before it ends, and remove it on Ctrl-C
          --wait <SECONDS>     How long to wait in all for a directory that says it is too busy
                               [default: 60]
          --fallback <URI>     Directories to turn to, in this order, when the first takes no
                               registration
          --directory <URI>    The resource directory; with a path, that resource is used without
                               discovery [env: WAYHOUSE_DIRECTORY=] [default: coap://localhost:5683]
          --timeout <SECONDS>  Give up when nothing was heard for this many seconds [default: 93]
      -v, --verbose            Tell every message with its code and options on standard error
      -h, --help               Print help
      -V, --version            Print version

    Prints the location of the registration. With --keep, the registration is refreshed before its
    lifetime ends, made anew when the directory lost it, and removed on Ctrl-C; without, it stays until
    its lifetime ends or `wayhouse delete LOCATION`.
    Without --base, the directory takes the address and port this program sends from, at which nobody
    answers afterwards.

    Examples:
      wayhouse register --name lamp --link '</light>;rt=light' --keep
      wayhouse register --name lamp --base coap://lamp.example --links-file links.txt
      wayhouse register --name lights --attribute et=core.rd-group --base 'coap://[ff05::17]'
    exit 0
    ");
}

#[test]
fn nothing_typed_is_misuse_with_help() {
    let ended = wayhouse(&[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("Usage: wayhouse"), "{ended:?}");
}

#[test]
fn shells_and_manuals_get_theirs() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = wayhouse(&["completions", shell]);
        assert_eq!(ended.code, Some(0), "{shell}");
        assert!(ended.stdout.contains("discover") && !ended.stdout.contains("klingon"), "{shell}");
    }
    let manual = wayhouse(&["man"]);
    assert_eq!(manual.code, Some(0));
    for part in [".TH wayhouse", ".SH NAME", "wayhouse-register", "refresh the registration before it ends"] {
        assert!(manual.stdout.replace("\\-", "-").contains(part), "{part}");
    }
}
