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
	End    int64  // how many bytes there are up to its end
	Text   []byte // as it was read, without its line feed; valid until the next line is read
	Change domain.Change
	Err    error // what is wrong with it
}

// Lines calls visit with every line that is not blank, until visit returns an error, which it returns.
func Lines(from io.Reader, visit func(Line) error) error {
	r := bufio.NewReaderSize(from, maxLine)
	for l := (Line{}); ; {
		text, err := r.ReadSlice('\n')
		l.Number++
		l.End += int64(len(text))
		l.Text, l.Change, l.Err = bytes.TrimSpace(text), domain.Change{}, nil
		for errors.Is(err, bufio.ErrBufferFull) {
			l.Err = fmt.Errorf("the line is longer than %d bytes", maxLine)
			text, err = r.ReadSlice('\n')
			l.End += int64(len(text))
		}
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return err
		}
		if l.Err == nil && len(l.Text) > 0 {
			l.Change, l.Err = Parse(l.Text)
		}
		if l.Err != nil || len(l.Text) > 0 {
			if err := visit(l); err != nil {
				return err
			}
		}
		if end {
			return nil
		}
	}
}
