package problem

import (
	"errors"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// ReadLast refuses the value, or the name, that a decoder has read last.
func ReadLast(from *jsontext.Decoder, detail string) *Error {
	return InBody(ErrMalformed, Fragment(from.StackPointer()), detail)
}

// ComesNext refuses the value that a decoder reads next, unless it is not even JSON.
func ComesNext(from *jsontext.Decoder, detail string) error {
	if err := from.SkipValue(); err != nil {
		return err
	}
	return ReadLast(from, detail)
}

// Unreadable returns the refusal for the error of a decoder. It returns nil for nil, and an *Error as it is.
func Unreadable(err error) error {
	if err == nil {
		return nil
	}
	var refused *Error
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &syntax):
		return Malformed("not valid JSON at byte %d: %v", syntax.ByteOffset, syntax.Err)
	case errors.Is(err, io.EOF):
		return Malformed("the request has no body; expected a JSON object")
	}
	return Malformed("not valid JSON: %v", err)
}

// Fragment writes a JSON pointer as a URI fragment.
func Fragment(p jsontext.Pointer) string { return Pointer(slices.Collect(p.Tokens())...) }
