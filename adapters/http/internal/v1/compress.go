package v1

import (
	"bytes"
	"iter"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// minPacked is from which size on an answer is worth compressing, in bytes. The quickest level makes about a tenth of a long list.
const minPacked = 2 << 10

// packers are kept, because each takes more memory than most answers.
var packers = sync.Pool{New: func() any {
	packer, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // there is that level
	}
	return packer
}}

// packed compresses pieces.
func packed(pieces iter.Seq[[]byte]) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		packer := packers.Get().(*gzip.Writer)
		defer packers.Put(packer)
		var into bytes.Buffer
		packer.Reset(&into)
		for piece := range pieces {
			_, _ = packer.Write(piece) // a buffer takes everything
			if !yield(into.Bytes()) {
				return
			}
			into.Reset()
		}
		_ = packer.Close()
		yield(into.Bytes())
	}
}
