// Package example checks that docs/adapters.md shows the code of the adapters and of this folder as it is.
package example

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the code into the page")

const page = "../adapters.md"

// shown finds a block of code that is shown from a file: a comment that names the file, from the page's folder, and perhaps some of its
// declarations, and the block after it.
var shown = regexp.MustCompile("(?s)<!-- show: ([^ \n]+)((?: [^ \n]+)*) -->\n```[a-z]*\n(?:.*?\n)??```\n")

// TestPage compares the page's code with the files.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := 0
	want := shown.ReplaceAllFunc(text, func(block []byte) []byte {
		blocks++
		match := shown.FindSubmatch(block)
		file, names := string(match[1]), strings.Fields(string(match[2]))
		code, err := excerpt(filepath.Join(filepath.Dir(page), file), names)
		if err != nil {
			t.Fatal(err)
		}
		language := map[string]string{".go": "go", ".mod": "text"}[filepath.Ext(file)]
		return fmt.Appendf(nil, "<!-- show: %s -->\n```%s\n%s\n```\n", strings.Join(append([]string{file}, names...), " "), language, code)
	})
	if blocks == 0 || bytes.Count(text, []byte("<!-- show: ")) != blocks {
		t.Errorf("%d blocks are shown from files, of %d marks", blocks, bytes.Count(text, []byte("<!-- show: ")))
	}
	if bytes.Equal(text, want) {
		return
	}
	if !*update {
		t.Fatal("docs/adapters.md does not show the files as they are; run: go test ./docs/example -update")
	}
	if err := os.WriteFile(page, want, 0o600); err != nil {
		t.Fatal(err)
	}
}

// excerpt returns the declarations of a Go file that have the names, each with its comment, in their order in the file; or the whole file.
func excerpt(file string, names []string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil || len(names) == 0 {
		return strings.TrimRight(string(text), "\n"), err
	}
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, text, parser.ParseComments)
	if err != nil {
		return "", err
	}
	var parts []string
	found := 0
	for _, declaration := range parsed.Decls {
		declared := declaredNames(declaration)
		n := len(slices.DeleteFunc(declared, func(name string) bool { return !slices.Contains(names, name) }))
		if n == 0 {
			continue
		}
		found += n
		begin := declaration.Pos()
		if comment := commentOf(declaration); comment != nil {
			begin = comment.Pos()
		}
		parts = append(parts, string(text[files.Position(begin).Offset:files.Position(declaration.End()).Offset]))
	}
	if found != len(names) {
		return "", fmt.Errorf("%s: %d declarations have the names %v", file, found, names)
	}
	return strings.Join(parts, "\n\n"), nil
}

func declaredNames(declaration ast.Decl) (names []string) {
	switch declaration := declaration.(type) {
	case *ast.FuncDecl:
		return []string{declaration.Name.Name}
	case *ast.GenDecl:
		for _, spec := range declaration.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name.Name)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

func commentOf(declaration ast.Decl) *ast.CommentGroup {
	switch declaration := declaration.(type) {
	case *ast.FuncDecl:
		return declaration.Doc
	case *ast.GenDecl:
		return declaration.Doc
	}
	return nil
}
