package v1

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/zarafa/presence/adapters/http/internal/problem"
)

// readObject reads a text that is one object into a struct of members, which are the known ones. The library refuses what is not JSON
// (RFC 8259), text that is not UTF-8, half surrogate pairs, and names that are there twice. A fault is a *problem.Error.
func readObject(body []byte, into any, known string) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return problem.Unreadable(io.EOF)
	}
	if value := jsontext.Value(body); value.Kind() != '{' && value.IsValid() {
		return problem.InBody(problem.ErrMalformed, "#", "must be an object")
	}
	err := json.Unmarshal(body, into, json.RejectUnknownMembers(true))
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return problem.InBody(problem.ErrMalformed, problem.Fragment(syntax.JSONPointer), "is there twice")
	case errors.Is(err, json.ErrUnknownName) && errors.As(err, &semantic):
		return problem.InBody(problem.ErrMalformed, problem.Fragment(semantic.JSONPointer), "is not known; the members are "+known)
	}
	return problem.Unreadable(err)
}

// member is a member of an object, which may be missing, but not null.
type member[T any] struct {
	set   bool
	value T
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (m *member[T]) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	m.set = true
	return json.UnmarshalDecode(from, &m.value)
}

// text is a string, and nothing else.
type text string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *text) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	if from.PeekKind() != '"' {
		return problem.ComesNext(from, "must be a string")
	}
	token, err := from.ReadToken()
	if err == nil {
		*t = text(token.String())
	}
	return err
}

// wholeNumber reads a number without a fraction or an exponent. Anything else, and what is too large, is refused with the given words.
func wholeNumber(from *jsontext.Decoder, least, most uint64, form, tooLarge string) (uint64, error) {
	if from.PeekKind() != '0' {
		return 0, problem.ComesNext(from, form)
	}
	value, err := from.ReadValue()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(value), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && n > most:
		return 0, problem.ReadLast(from, tooLarge)
	case err != nil || n < least:
		return 0, problem.ReadLast(from, form)
	}
	return n, nil
}

var errEscape = errors.New("has a percent sign without two hexadecimal digits")

// unescape percent-decodes a part of a URL. It returns the text itself if there is nothing to decode.
func unescape(text string) (string, error) {
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return "", errEscape
	}
	return decoded, nil
}
