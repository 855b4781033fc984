import * as assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { blocks, plain } from '../src/views/markdown';

describe('markdown in the sidebar', () => {
  it('shows escaped tags as the rendered cell does', () => {
    assert.equal(plain('a &lt;b&gt; tag &amp; more'), 'a <b> tag & more');
    assert.equal(plain('\\<img\\> and \\*stars\\*'), '<img> and *stars*');
    assert.equal(plain('&unknown; & &#39;x&#39;'), "&unknown; & 'x'");
  });
  it('leaves code as it is', () => {
    assert.deepEqual(blocks('```html\n&lt;b&gt;\n```'), [{ kind: 'code', text: '&lt;b&gt;' }]);
  });
});
