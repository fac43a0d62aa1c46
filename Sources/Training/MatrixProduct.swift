import COpenBLAS

/// A matrix in row-major memory, possibly transposed and with a row pitch.
struct MatrixView {
  var pointer: UnsafePointer<Float>
  var pitch: Int
  var transposed = false

  init(_ pointer: UnsafePointer<Float>, pitch: Int, transposed: Bool = false) {
    self.pointer = pointer
    self.pitch = pitch
    self.transposed = transposed
  }
}

/// `c = a b + beta c`, with `a` of rows x inner, `b` of inner x columns, `c` of row pitch `pitch` (sgemm).
func multiply(
  _ a: MatrixView, _ b: MatrixView, into c: UnsafeMutablePointer<Float>, pitch: Int, rows: Int, columns: Int,
  inner: Int, beta: Float
) {
  guard rows > 0, columns > 0 else { return }
  cblas_sgemm(
    CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans, b.transposed ? CblasTrans : CblasNoTrans,
    blasint(rows), blasint(columns), blasint(inner), 1, a.pointer, blasint(a.pitch), b.pointer, blasint(b.pitch), beta,
    c, blasint(pitch))
}
