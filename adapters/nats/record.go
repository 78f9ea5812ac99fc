package nats

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/zarafa/presence/domain"
)

// A record is a presence in a message of the journal or of a snapshot: a line of fields, and the message.
//
//	+spreed/markd@zarafa.com 0 busy 1700000000000000000 1700000000000000000 1700000120000000000 0 - 12
//	in a meeting
//
// The first character is the record's role. The fields are: protocol and user; a version; the status, or "gone"; Since, Updated and Expires in
// nanoseconds since 1970 (Expires 0: for ever); the revision; "stale" or "-"; the length of the message in bytes.
type record struct {
	role     byte
	user     domain.UserID
	presence domain.Presence
	version  uint64
}

// The roles of a record.
const (
	roleFirst   = '+' // in the journal: the first of some that are written together or not at all
	roleFurther = '&' // in the journal: one more of these
	roleKept    = '=' // in a snapshot
)

const statusGone = "gone"

// size is about how much appendRecord appends, and not less.
func (r *record) size() int {
	const numbers = 2*20 + 3*20 + 4 // the greatest there are
	const rest = len("+/ unavailable      stale \n\n")
	return len(r.presence.Protocol.String()) + len(r.user) + numbers + rest + len(r.presence.Message)
}

var errRecord = errors.New("not a record of a presence")

// appendRecord appends a record to dst.
func appendRecord(dst []byte, r *record) []byte {
	p := &r.presence
	dst = append(dst, r.role)
	dst = append(dst, p.Protocol.String()...)
	dst = append(dst, '/')
	dst = append(dst, r.user...)
	dst = strconv.AppendUint(append(dst, ' '), r.version, 10)
	dst = append(dst, ' ')
	if p.Removed {
		dst = append(dst, statusGone...)
	} else {
		dst = append(dst, p.Status.String()...)
	}
	for _, number := range [...]int64{int64(p.Since), int64(p.Updated), int64(p.Expires)} {
		dst = strconv.AppendInt(append(dst, ' '), number, 10)
	}
	dst = strconv.AppendUint(append(dst, ' '), uint64(p.Revision), 10)
	if p.Stale {
		dst = append(dst, " stale "...)
	} else {
		dst = append(dst, " - "...)
	}
	dst = strconv.AppendInt(dst, int64(len(p.Message)), 10)
	dst = append(append(dst, '\n'), p.Message...)
	return append(dst, '\n')
}

// parseRecord takes the first record off text. The strings in it are copies.
func parseRecord(text []byte) (r record, rest []byte, err error) {
	line, rest, found := bytes.Cut(text, []byte("\n"))
	if !found || len(line) == 0 {
		return r, nil, fmt.Errorf("%w: %.80q", errRecord, text)
	}
	r.role = line[0]
	fields := fieldReader{rest: line[1:]}
	name, user, _ := bytes.Cut(fields.text(), []byte("/"))
	if r.presence.Protocol, err = domain.ParseProtocol(string(name)); err != nil {
		return r, nil, fmt.Errorf("%w: %w", errRecord, err)
	}
	if r.user, err = domain.ParseUserID(string(user)); err != nil {
		return r, nil, fmt.Errorf("%w: %w", errRecord, err)
	}
	p := &r.presence
	r.version = fields.number()
	if status := fields.text(); string(status) == statusGone {
		p.Removed = true
	} else if p.Status, err = domain.ParseStatus(string(status)); err != nil {
		return r, nil, fmt.Errorf("%w: %w", errRecord, err)
	}
	p.Since, p.Updated, p.Expires = fields.timestamp(), fields.timestamp(), fields.timestamp()
	p.Revision = domain.Revision(fields.number())
	flag := string(fields.text())
	p.Stale = flag == "stale"
	length := fields.number()
	if fields.failed || len(fields.rest) > 0 || !p.Stale && flag != "-" || length > domain.MaxMessage || uint64(len(rest)) <= length || rest[length] != '\n' {
		return r, nil, fmt.Errorf("%w: %.80q", errRecord, line)
	}
	p.Message = string(rest[:length])
	if err := domain.CheckMessage(p.Message); err != nil {
		return r, nil, fmt.Errorf("%w: %w", errRecord, err)
	}
	return r, rest[length+1:], nil
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
