package nats

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/zarafa/presence/domain"
)

// A record is a presence as the bucket keeps it: a line of fields, then the message as it is.
//
//	1 busy 1700000000000000000 1700000000000000000 1700000120000000000 4711 -
//	in a meeting
//
// The fields are the format's version, the status, Since, Updated and Expires in nanoseconds since 1970 (Expires 0: for ever), the
// revision (0: the number of the message that carries this record), and "stale" or "-". User and protocol are in the key.
const recordVersion = "1"

var errRecord = errors.New("not a presence record")

// appendRecord appends a presence to dst. A presence that is a change has no revision yet.
func appendRecord(dst []byte, p domain.Presence, change bool) []byte {
	dst = append(dst, recordVersion...)
	dst = append(dst, ' ')
	dst = append(dst, p.Status.String()...)
	revision := p.Revision
	if change {
		revision = 0
	}
	for _, number := range [...]int64{int64(p.Since), int64(p.Updated), int64(p.Expires)} {
		dst = strconv.AppendInt(append(dst, ' '), number, 10)
	}
	dst = strconv.AppendUint(append(dst, ' '), uint64(revision), 10)
	if p.Stale {
		dst = append(dst, " stale\n"...)
	} else {
		dst = append(dst, " -\n"...)
	}
	return append(dst, p.Message...)
}

// parseRecord reads a record that came as the message with this number.
func parseRecord(protocol domain.Protocol, record []byte, sequence uint64) (domain.Presence, error) {
	p := domain.Presence{Protocol: protocol}
	line, message, found := bytes.Cut(record, []byte("\n"))
	fields := fieldReader{rest: line}
	if version := fields.text(); !found || string(version) != recordVersion {
		return p, fmt.Errorf("%w of version %s: %.40q", errRecord, recordVersion, record)
	}
	status, err := domain.ParseStatus(string(fields.text()))
	if err != nil {
		return p, fmt.Errorf("%w: %w", errRecord, err)
	}
	p.Status = status
	p.Since, p.Updated, p.Expires = fields.timestamp(), fields.timestamp(), fields.timestamp()
	p.Revision = domain.Revision(fields.number())
	flag := fields.text()
	p.Stale = string(flag) == "stale"
	if fields.failed || len(fields.rest) > 0 || !p.Stale && string(flag) != "-" || uint64(p.Revision) > sequence {
		return p, fmt.Errorf("%w: %.80q", errRecord, line)
	}
	if p.Revision == 0 {
		p.Revision = domain.Revision(sequence)
	}
	p.Message = string(message)
	if err := domain.CheckMessage(p.Message); err != nil {
		return p, fmt.Errorf("%w: %w", errRecord, err)
	}
	return p, nil
}

// fieldReader takes a line apart at its spaces.
type fieldReader struct {
	rest   []byte
	failed bool
}

func (f *fieldReader) text() []byte {
	field, rest, _ := bytes.Cut(f.rest, []byte(" "))
	f.rest = rest
	return field
}

func (f *fieldReader) number() uint64 {
	n, err := strconv.ParseUint(string(f.text()), 10, 64)
	f.failed = f.failed || err != nil
	return n
}

func (f *fieldReader) timestamp() domain.Timestamp {
	n, err := strconv.ParseInt(string(f.text()), 10, 64)
	f.failed = f.failed || err != nil
	return domain.Timestamp(n)
}

// appendKey appends the key of a user's presence on one protocol: the protocol, a dot, and the user in which every byte but a
// lower-case letter, a digit, a hyphen and an underscore is written as = and two hexadecimal digits. So markd@zarafa.com is
// markd=40zarafa=2ecom. That is a valid key of any bucket and one part of a subject.
func appendKey(dst []byte, protocol domain.Protocol, user domain.UserID) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, protocol.String()...)
	dst = append(dst, '.')
	for i := 0; i < len(user); i++ {
		if c := user[i]; plain(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '=', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

var errKey = errors.New("not a key of a presence")

// parseKey undoes appendKey, and refuses what that does not make.
func parseKey(key string) (domain.Protocol, domain.UserID, error) {
	name, escaped, found := strings.Cut(key, ".")
	protocol, err := domain.ParseProtocol(name)
	if !found || err != nil {
		return protocol, "", fmt.Errorf("%w: %.80q", errKey, key)
	}
	var b strings.Builder
	for rest := escaped; rest != ""; {
		c := rest[0]
		switch {
		case plain(c):
			b.WriteByte(c)
			rest = rest[1:]
		case c == '=' && len(rest) >= 3:
			n, err := strconv.ParseUint(rest[1:3], 16, 8)
			if err != nil {
				return protocol, "", fmt.Errorf("%w: %.80q", errKey, key)
			}
			b.WriteByte(byte(n))
			rest = rest[3:]
		default:
			return protocol, "", fmt.Errorf("%w: %.80q", errKey, key)
		}
	}
	user, err := domain.ParseUserID(b.String())
	if err != nil {
		return protocol, "", fmt.Errorf("%w: %w", errKey, err)
	}
	if again := appendKey(nil, protocol, user); string(again) != key { // upper case, or an escape that is not needed
		return protocol, "", fmt.Errorf("%w: %.80q", errKey, key)
	}
	return protocol, user, nil
}
