// Package pages holds what a browser gets from the daemon: the board, the documentation, the description of the APIs, and the client module. They
// are plain files in the folder static, which are built into the program and served as they are.
package pages

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed static
var static embed.FS

// File is one of the files, ready to be sent. It is not changed any more.
type File struct {
	Path string // in the URL, e.g. /client.js
	Type string // its Content-Type
	ETag string // strong, with its quotes; it stands for the content
	Body []byte

	Gzip     []byte // the same compressed; nil if that does not make it smaller
	GzipETag string // of the compressed form

	Anywhere bool // pages of other hosts may import it
}

// types are the Content-Types by the name's end. The system's table of them is not asked: it differs from machine to machine.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".ts":   "text/plain; charset=utf-8", // the registered type is that of a video
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".json": "application/json",
}

// Files returns all of them.
func Files() []*File {
	var files []*File
	err := fs.WalkDir(static, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := static.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := prepare(strings.TrimPrefix(name, "static"), body)
		files = append(files, file)
		return err
	})
	if err != nil {
		panic(err) // the files are in the program, and a test has seen them
	}
	return files
}

// prepare makes ready a file of the given path. That of a page has no .html at its end.
func prepare(at string, body []byte) (*File, error) {
	extension := path.Ext(at)
	kind, known := types[extension]
	if !known {
		return nil, fmt.Errorf("%s has no Content-Type", at)
	}
	sum := sha256.Sum256(body)
	tag := base64.RawURLEncoding.EncodeToString(sum[:12])
	file := &File{
		Path:     strings.TrimSuffix(at, ".html"),
		Type:     kind,
		ETag:     `"` + tag + `"`,
		Body:     body,
		GzipETag: `"` + tag + `-gzip"`,
		Anywhere: strings.HasPrefix(at, "/client."),
	}
	if packed := compress(body); len(packed) < len(body) {
		file.Gzip = packed
	}
	return file, nil
}

func compress(body []byte) []byte {
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		panic(err) // there is that level
	}
	_, _ = writer.Write(body) // a buffer takes everything
	_ = writer.Close()
	return packed.Bytes()
}
