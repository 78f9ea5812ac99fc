package respond

// MaxPiece is how much of an answer is made in memory at once, in bytes, give or take an entry. A larger answer is made while it is sent: a request
// can name one user with a long message very often.
const MaxPiece = 256 << 10

// Pieces makes an answer with a list of so many entries, piece by piece, in the memory of begin, which is what stands before them. An answer that
// is not large is one piece. It stops if yield returns false.
func Pieces(begin []byte, entries int, appendEntry func(dst []byte, i int) []byte, end string, yield func([]byte) bool) {
	dst := begin
	for i := range entries {
		if len(dst) > MaxPiece {
			if !yield(dst) {
				return
			}
			dst = dst[:0]
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendEntry(dst, i)
	}
	yield(append(dst, end...))
}
