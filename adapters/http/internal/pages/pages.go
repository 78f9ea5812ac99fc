// Package pages holds what a browser gets from the daemon: the board, the documentation, the description of the APIs, and the client module. They
// are plain files in the folder static, which are built into the program and served as they are.
package pages

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gofiber/fiber/v2"

	"github.com/zarafa/presence/adapters/http/internal/respond"
)

//go:embed static
var static embed.FS

// policy is the content security policy of all that a browser gets. Filled in are where else it may send requests, and who may frame it. A page can
// run scripts of this server alone, and else talk to it alone, so that a text that somebody has set as a message can do no harm in it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'%s; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors %s"

// unframed is who may show a page inside its own if nobody is listed. There a click would not mean what it seems to.
const unframed = "'none'"

// board is the path of the page that may be shown in the pages of listed origins, and that signs people in.
const board = "/board"

// Pages are the files and the rules by which they are served. Its methods may be called concurrently.
type Pages struct {
	provider  atomic.Pointer[func() string] // the origin at which the board fetches tokens; empty: none
	ancestors atomic.Pointer[string]        // who may show the board inside a page, as frame-ancestors has it
}

// New makes the pages. Nobody may show the board inside a page until Configure lists somebody.
func New() *Pages {
	p := new(Pages)
	p.FetchTokensAt(func() string { return "" })
	p.Configure(nil)
	return p
}

// Configure lists the origins whose pages may show the board inside themselves. It may be called while requests are served.
func (p *Pages) Configure(ancestors []string) {
	list := cmp.Or(strings.Join(ancestors, " "), unframed)
	p.ancestors.Store(&list)
}

// FetchTokensAt says what tells at which other origin the board fetches tokens, if at any. It may be called while requests are served.
func (p *Pages) FetchTokensAt(provider func() (origin string)) { p.provider.Store(&provider) }

// types are the Content-Types by the name's end. The system's table of them is not asked: it differs from machine to machine.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".ts":   "text/plain; charset=utf-8", // the registered type is that of a video
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".json": "application/json",
	".ico":  "image/vnd.microsoft.icon",
}

// File is one of the files, ready to be sent. It is not changed any more.
type File struct {
	Path          string // in the URL, e.g. /client.js; that of a page has no .html at its end
	contentType   string
	plain, packed form // packed is plain if compressing does not make it smaller
	of            *Pages
}

// form is a file as it is sent.
type form struct {
	body   []byte
	tag    string // strong, with its quotes; it stands for the body
	coding string // its Content-Encoding
}

// Files returns all of them.
func (p *Pages) Files() []*File {
	files := make([]*File, 0, len(made()))
	for _, file := range made() {
		file.of = p
		files = append(files, &file)
	}
	return files
}

// made makes the files once: to compress them takes long, and tests start many servers.
var made = sync.OnceValue(func() (files []File) {
	err := fs.WalkDir(static, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := static.ReadFile(name)
		sum := sha256.Sum256(body)
		tag := base64.RawURLEncoding.EncodeToString(sum[:12])
		file := File{
			Path:        strings.TrimSuffix(strings.TrimPrefix(name, "static"), ".html"),
			contentType: types[path.Ext(name)],
			plain:       form{body: body, tag: `"` + tag + `"`},
			packed:      form{body: pack(body), tag: `"` + tag + `-gzip"`, coding: "gzip"},
		}
		if len(file.packed.body) >= len(body) {
			file.packed = file.plain
		}
		files = append(files, file)
		return err
	})
	if err != nil {
		panic(err) // the files are in the program, and a test has seen them
	}
	return files
})

func pack(body []byte) []byte {
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		panic(err) // there is that level
	}
	_, _ = writer.Write(body) // a buffer takes everything
	_ = writer.Close()
	return packed.Bytes()
}

// setPolicy says what the file may do as a page, and who may show it inside another. X-Frame-Options is for what knows no frame-ancestors: it cannot
// list origins, so it is left out where some are allowed.
func (f *File) setPolicy(c *fiber.Ctx) {
	ancestors, provider := unframed, ""
	if f.Path == board {
		ancestors = *f.of.ancestors.Load()
		if origin := (*f.of.provider.Load())(); origin != "" {
			provider = " " + origin
		}
	}
	c.Set(fiber.HeaderContentSecurityPolicy, fmt.Sprintf(policy, provider, ancestors))
	if ancestors == unframed {
		c.Set(fiber.HeaderXFrameOptions, "DENY")
	}
}

// Serve answers GET and HEAD with the file, or says that the client has it already. The files hold nothing about anybody, so no token is
// asked for.
func (f *File) Serve(c *fiber.Ctx) error {
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	f.setPolicy(c)
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderCacheControl, "no-cache") // keep it, but ask whether it is still the same: the next version has the same address
	c.Set(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	if strings.HasPrefix(f.Path, "/client.") {
		c.Set(fiber.HeaderAccessControlAllowOrigin, "*") // a module is only imported from another host that says so
	}
	request := &c.Context().Request.Header
	sent := f.plain
	if request.HasAcceptEncoding("gzip") {
		sent = f.packed
	}
	c.Set(fiber.HeaderETag, sent.tag)
	if respond.Has(request, []byte(sent.tag)) {
		c.Status(fiber.StatusNotModified)
		return nil
	}
	if sent.coding != "" {
		c.Set(fiber.HeaderContentEncoding, sent.coding)
	}
	c.Set(fiber.HeaderContentType, f.contentType)
	c.Context().Response.SetBodyRaw(sent.body) // nobody writes to it
	return nil
}
