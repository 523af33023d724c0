pragma solidity 0.8.28;

import {Admin} from "./Admin.sol";

/// Key operations as the design document draws them: requests without an id, responses that name
/// nothing but their result.  One answer of each result is taken.
contract LiteralKeys is Admin {
    struct FheParams {
        string dummy;
    }

    event PreprocessKeygenRequest(FheParams fheParams);
    event PreprocessKeygenResponse(uint256 preKeyId);
    event PreprocessKskRequest(FheParams fheParams);
    event PreprocessKskResponse(uint256 preKskId);
    event KeygenRequest(uint256 preKeyId, FheParams fheParams);
    event KeygenResponse(uint256 keyId);
    event CrsgenRequest(FheParams fheParams);
    event CrsgenResponse(uint256 crsId);
    event KskRequest(uint256 preKskId, uint256 sourceKeyId, uint256 destKeyId, FheParams fheParams);
    event KskResponse(uint256 kskId);

    error AlreadyResponded(uint256 id);

    FheParams private fheParams = FheParams("TEST");
    mapping(uint256 => bool) private responded;

    /// `count` of them in one transaction: their places differ, nothing else does.
    function preprocessKeygenRequest(uint256 count) external onlyOwner {
        for (uint256 i = 0; i < count; i++) emit PreprocessKeygenRequest(fheParams);
    }

    function preprocessKskRequest() external onlyOwner {
        emit PreprocessKskRequest(fheParams);
    }

    function keygenRequest(uint256 preKeyId) external onlyOwner {
        emit KeygenRequest(preKeyId, fheParams);
    }

    function crsgenRequest() external onlyOwner {
        emit CrsgenRequest(fheParams);
    }

    function kskRequest(uint256 preKskId, uint256 sourceKeyId, uint256 destKeyId) external onlyOwner {
        emit KskRequest(preKskId, sourceKeyId, destKeyId, fheParams);
    }

    function preprocessKeygenResponse(uint256 preKeyId) external {
        take(preKeyId);
        emit PreprocessKeygenResponse(preKeyId);
    }

    function preprocessKskResponse(uint256 preKskId) external {
        take(preKskId);
        emit PreprocessKskResponse(preKskId);
    }

    function keygenResponse(uint256 keyId) external {
        take(keyId);
        emit KeygenResponse(keyId);
    }

    function crsgenResponse(uint256 crsId) external {
        take(crsId);
        emit CrsgenResponse(crsId);
    }

    function kskResponse(uint256 kskId) external {
        take(kskId);
        emit KskResponse(kskId);
    }

    function take(uint256 id) private {
        if (responded[id]) revert AlreadyResponded(id);
        responded[id] = true;
    }
}
