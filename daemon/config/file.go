package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// MaxFile is the largest configuration file that is read, in bytes. A larger one is surely something else.
const MaxFile = 1 << 20

// readFile returns what the file holds, up to MaxFile bytes of valid UTF-8.
func readFile(name string) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // the administrator says which file
	if err != nil {
		return nil, reason(err)
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	switch {
	case err != nil:
		return nil, reason(err)
	case len(data) > MaxFile:
		return nil, fmt.Errorf("larger than %d bytes: not a configuration file", MaxFile)
	case !utf8.Valid(data):
		return nil, errors.New("not UTF-8 text: not a configuration file")
	}
	return data, nil
}

// reason is the error without the operation and the path, which the message names anyhow.
func reason(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// isLegacy tells the original's presence.cfg from YAML: by the extension, and failing that by the first line that says something.
func isLegacy(name string, data []byte) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".cfg":
		return true
	case ".yaml", ".yml":
		return false
	}
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		equals, colon := bytes.IndexByte(line, '='), bytes.IndexByte(line, ':')
		return equals > 0 && (colon < 0 || equals < colon)
	}
	return false
}
