package backup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/zarafa/presence/domain"
)

// maxLine is the longest line that is read, in bytes. The longest message takes less than half of it, whichever way it is escaped.
const maxLine = 64 << 10

// Line is a line of an export.
type Line struct {
	Number int
	Text   []byte // as it was read, without its line feed; valid until the next line is read
	Change domain.Change
	Err    error // what is wrong with it
}

// Lines calls visit with every line that is not blank, until visit returns an error, which it returns.
func Lines(from io.Reader, visit func(Line) error) error {
	r := bufio.NewReaderSize(from, maxLine)
	l := Line{}
	for more := true; more; {
		text, err := r.ReadSlice('\n')
		l = Line{Number: l.Number + 1, Text: bytes.TrimSpace(text)}
		for errors.Is(err, bufio.ErrBufferFull) {
			l.Err = fmt.Errorf("the line is longer than %d bytes", maxLine)
			_, err = r.ReadSlice('\n')
		}
		if more = err == nil; err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if l.Err == nil && len(l.Text) == 0 {
			continue
		}
		if l.Err == nil {
			l.Change, l.Err = Parse(l.Text)
		}
		if err := visit(l); err != nil {
			return err
		}
	}
	return nil
}
