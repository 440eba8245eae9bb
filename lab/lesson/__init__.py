"""Teaching material: the steps of a lesson and the incidents of a mystery, as data, and what is computed from them."""
