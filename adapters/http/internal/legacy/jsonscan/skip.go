package jsonscan

// Skip reads a value of any kind and forgets it.
func (s *Scanner) Skip() bool {
	switch c := s.Peek(); {
	case c == '{':
		return s.skipObject()
	case c == '[':
		return s.skipArray()
	case c == '"':
		_, ok := s.Str()
		return ok
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	s.Fail("expected a value")
	return false
}

// Enter takes the opening byte of an object or array.
func (s *Scanner) Enter() bool {
	if s.Depth == MaxDepth {
		s.Fail("nested more than %d deep", MaxDepth)
		return false
	}
	s.Depth++
	s.Pos++
	return true
}

func (s *Scanner) skipObject() bool {
	if !s.Enter() {
		return false
	}
	for first := true; ; first = false {
		if _, ok := s.Member(first); !ok {
			break
		}
		if !s.Skip() {
			return false
		}
	}
	s.Depth--
	return s.Fault == nil
}

func (s *Scanner) skipArray() bool {
	if !s.Enter() {
		return false
	}
	for first := true; s.Element(first); first = false {
		if !s.Skip() {
			return false
		}
	}
	s.Depth--
	return s.Fault == nil
}

func (s *Scanner) word(word string) bool {
	if len(s.Text)-s.Pos < len(word) || string(s.Text[s.Pos:s.Pos+len(word)]) != word {
		s.Fail("expected a value")
		return false
	}
	s.Pos += len(word)
	return true
}

// number reads -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *Scanner) number() bool {
	s.optional("-")
	whole := s.Pos
	ok := s.digits() && (s.Text[whole] != '0' || s.Pos == whole+1)
	if ok && s.optional(".") {
		ok = s.digits()
	}
	if ok && s.optional("eE") {
		s.optional("+-")
		ok = s.digits()
	}
	if !ok {
		s.Fail("a malformed number")
	}
	return ok
}

// optional takes the next byte if it is one of set.
func (s *Scanner) optional(set string) bool {
	if s.Pos == len(s.Text) {
		return false
	}
	for i := range len(set) {
		if s.Text[s.Pos] == set[i] {
			s.Pos++
			return true
		}
	}
	return false
}

// digits takes at least one digit.
func (s *Scanner) digits() bool {
	start := s.Pos
	for s.Pos < len(s.Text) && s.Text[s.Pos] >= '0' && s.Text[s.Pos] <= '9' {
		s.Pos++
	}
	return s.Pos > start
}
